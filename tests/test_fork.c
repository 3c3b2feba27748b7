/* SPDX-License-Identifier: Apache-2.0
 * A child of a node: the token is its parent's. It refuses at once, calls nothing, knows no PIN and
 * ends like any program; the parent goes on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "faulty_rig.h"
#include "pin.h"
#include "softhsm.h"
#include "token_rig.h"

#define SLOW_MS 1000

static struct identity identity;
static struct hsm_key *key;
static EVP_PKEY *loaded;
static struct pin *pin;

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* --- what a child does; true when all is as it should be --- */

static bool opens_nothing(void)
{
    struct hsm_key *other = NULL;
    nk_error err;
    return identity_open(&identity, &other, &err) == NK_E_USAGE && other == NULL &&
           strstr(err.text, "forked") != NULL;
}

static bool signs_nothing(void)
{
    return !rig_signs(loaded, &identity);
}

static bool shuts_without_the_token(void)
{
    hsm_key_shut(key, 0);
    return true;
}

static bool knows_no_pin(void)
{
    static const unsigned char zero[PIN_MAX_BYTES];
    return memcmp(pin_bytes(pin), zero, sizeof(zero)) == 0;
}

static const struct row {
    const char *name;
    bool (*does)(void);
} rows[] = {
    { "a child opens nothing", opens_nothing },
    { "a child signs nothing", signs_nothing },
    { "a child shuts without the token", shuts_without_the_token },
    { "a child knows no PIN", knows_no_pin },
};

static unsigned long calls(void)
{
    const struct faulty_counters *count = faulty_count();
    return count->initialize + count->finalize + count->open_session + count->close_session +
           count->login + count->logout + count->sign_init + count->sign;
}

/* In the child: did it, fast, without one call into the module? */
static bool as_it_should_be(const struct row *row)
{
    unsigned long before = calls();
    double begun = now_ms();
    return row->does() && now_ms() - begun < SLOW_MS && calls() == before;
}

static void check_row(void **state)
{
    int status = -1;
    double begun = now_ms();
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        exit(as_it_should_be(*state) ? 0 : 1); /* with its handlers, as a program ends */
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(now_ms() - begun < SLOW_MS);
    assert_true(rig_signs(loaded, &identity));
}

static int start(void **state)
{
    (void)state;
    nk_error err;
    softhsm_start();
    softhsm_token("alice");
    rig_start(faulty_start());
    identity = identity_make("alice", "identity", "01", "P-256");
    if (identity_open(&identity, &key, &err) != NK_OK) {
        print_error("%s\n", err.text);
        return -1;
    }
    loaded = rig_load(key);
    const struct hsm_pin_source source = { .kind = HSM_PIN_FILE, .where = identity.pin_path };
    return pin_open(&source, "alice", NULL, &pin, &err) == NK_OK && loaded != NULL &&
                   rig_signs(loaded, &identity)
               ? 0
               : -1;
}

static int stop(void **state)
{
    (void)state;
    pin_free(pin);
    EVP_PKEY_free(loaded);
    rig_shut(key);
    identity_free(&identity);
    return 0;
}

int main(void)
{
    struct CMUnitTest tests[ARRAY_LEN(rows)] = { 0 };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        tests[i].name = rows[i].name;
        tests[i].test_func = check_row;
        tests[i].initial_state = (void *)&rows[i];
    }
    return cmocka_run_group_tests_name("fork", tests, start, stop);
}
