/* SPDX-License-Identifier: Apache-2.0
 * Two tokens behind one module: what one of them does to the module, to be found again, must not
 * cost the other its login over and over. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/token_rig.h"

#define AWAY_MS 2000
#define RESTARTS_MAX 8 /* 20 and more without a growing pause */
#define PATIENCE_MS 20000

static struct recorder *log_lines;
static struct identity lost, kept;
static const char *lost_folder, *elsewhere;

static void move(const char *from, const char *to)
{
    if (rename(from, to) != 0) {
        fail_msg("rename %s", from);
    }
}

static void a_token_that_is_away_leaves_the_other_its_login(void **state)
{
    (void)state;
    struct hsm_key *keys[2] = { NULL };
    nk_error err;
    assert_int_equal(identity_open(&lost, &keys[0], &err), NK_OK);
    assert_int_equal(identity_open(&kept, &keys[1], &err), NK_OK);
    EVP_PKEY *of_lost = rig_load(keys[0]);
    EVP_PKEY *of_kept = rig_load(keys[1]);
    unsigned long restarts = faulty_count()->finalize;
    move(lost_folder, elsewhere);
    recorder_clear(log_lines);
    long long since = clock_now_ms();
    while (clock_now_ms() - since < AWAY_MS) {
        assert_false(rig_signs(of_lost, &lost));
        assert_true(rig_signs(of_kept, &kept));
        clock_sleep_ms(5);
    }
    assert_true(faulty_count()->finalize - restarts <= RESTARTS_MAX);
    assert_true(recorder_has(log_lines, "is away from"));
    move(elsewhere, lost_folder);
    since = clock_now_ms();
    while (!rig_signs(of_lost, &lost)) {
        assert_true(clock_now_ms() - since < PATIENCE_MS);
        assert_true(rig_signs(of_kept, &kept));
        clock_sleep_ms(5);
    }
    EVP_PKEY_free(of_lost);
    EVP_PKEY_free(of_kept);
    rig_shut(keys[0]);
    rig_shut(keys[1]);
    assert_int_equal(faulty_count()->session_shared, 0);
}

/* Alone it is tried for as often as ever: the first signature after the cure succeeds. */
static void a_token_that_is_alone_is_back_at_once(void **state)
{
    (void)state;
    struct hsm_key *key = NULL;
    nk_error err;
    assert_int_equal(identity_open(&lost, &key, &err), NK_OK);
    EVP_PKEY *loaded = rig_load(key);
    for (int i = 0; i < 10; i++) {
        move(lost_folder, elsewhere);
        for (int j = 0; j <= i % 4; j++) {
            assert_false(rig_signs(loaded, &lost));
        }
        move(elsewhere, lost_folder);
        assert_true(rig_signs(loaded, &lost));
    }
    EVP_PKEY_free(loaded);
    rig_shut(key);
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    softhsm_token("lost");
    const char *tokens = path_of("%s/tokens", scratch_folder());
    DIR *folder = opendir(tokens);
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (entry->d_name[0] != '.') {
            lost_folder = path_of("%s/%s", tokens, entry->d_name);
        }
    }
    closedir(folder);
    assert_non_null(lost_folder);
    elsewhere = path_of("%s/elsewhere", scratch_folder());
    softhsm_token("kept");
    log_lines = rig_start(faulty_start());
    lost = identity_make("lost", "identity", "01", "P-256");
    kept = identity_make("kept", "identity", "01", "P-256");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    identity_free(&lost);
    identity_free(&kept);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_that_is_away_leaves_the_other_its_login),
        cmocka_unit_test(a_token_that_is_alone_is_back_at_once),
    };
    return cmocka_run_group_tests_name("fault_sibling", tests, start, stop);
}
