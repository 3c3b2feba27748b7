/* SPDX-License-Identifier: Apache-2.0
 * The life of a login: what others in the process and the token itself may do to it, and that none
 * of it costs a signature, a second wrong PIN or a signature by another key. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/token_rig.h"

#define WRONG_PIN "1234-poplar"
#define DEVICE_ERROR_ONCE "sign_error=0x30\nsign_error_at=1\n"   /* mended by C_Finalize only */
#define DEVICE_REMOVED_ONCE "sign_error=0x32\nsign_error_at=1\n" /* without */

static struct recorder *log_lines;
static struct identity first, second; /* two keys on one token */
static struct identity spare;         /* on a token of its own */
static CK_FUNCTION_LIST *softhsm;     /* as another part of the program sees it */

/* An open instance with its key loaded, as gRPC holds it. */
struct open {
    struct hsm_key *key;
    EVP_PKEY *loaded;
};

static struct open open_it(const struct identity *identity)
{
    struct open it = { .key = NULL };
    nk_error err;
    if (identity_open(identity, &it.key, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    it.loaded = rig_load(it.key);
    assert_non_null(it.loaded);
    assert_true(rig_signs(it.loaded, identity));
    return it;
}

static void close_it(struct open *it)
{
    EVP_PKEY_free(it->loaded);
    rig_shut(it->key);
}

/* --- another token in the slot --- */

static void a_token_of_another_name_never_gets_the_pin(void **state)
{
    (void)state;
    struct open it = open_it(&first);
    unsigned long logins = faulty_count()->login;
    faulty_set("swapped=1");
    assert_int_equal(softhsm->C_CloseAllSessions(rig_slot(softhsm, first.label)), CKR_OK);
    assert_false(rig_signs(it.loaded, &first));
    assert_false(rig_signs(it.loaded, &first));
    assert_int_equal(faulty_count()->login, logins);
    faulty_set("");
    assert_true(rig_signs(it.loaded, &first)); /* nor is the right one latched */
    close_it(&it);
}

/* --- open --- */

static void a_token_that_came_back_while_nothing_was_open_opens(void **state)
{
    (void)state;
    struct hsm_key *key = NULL;
    nk_error err;
    softhsm_unplug();
    assert_int_equal(identity_open(&first, &key, &err), NK_E_TOKEN);
    softhsm_replug();
    struct open it = open_it(&first);
    close_it(&it);
}

static void a_module_that_was_finalised_while_nothing_was_open_opens(void **state)
{
    (void)state;
    struct open it = open_it(&first);
    close_it(&it);
    assert_int_equal(softhsm->C_Finalize(NULL), CKR_OK);
    it = open_it(&first);
    close_it(&it);
}

static void an_open_beside_an_idle_instance_survives_a_restart(void **state)
{
    (void)state;
    struct open idle = open_it(&first);
    assert_int_equal(softhsm->C_Finalize(NULL), CKR_OK);
    struct open it = open_it(&second);
    assert_true(rig_signs(idle.loaded, &first));
    close_it(&it);
    close_it(&idle);
}

/* --- what others do to the login --- */

static void a_logout_elsewhere_costs_no_signature(void **state)
{
    (void)state;
    struct open it = open_it(&first);
    unsigned long initialised = faulty_count()->initialize;
    CK_SESSION_HANDLE session = rig_session(softhsm, first.label, 0);
    assert_int_equal(softhsm->C_Logout(session), CKR_OK);
    assert_true(rig_signs(it.loaded, &first));
    assert_int_equal(faulty_count()->initialize, initialised);
    assert_int_equal(softhsm->C_CloseSession(session), CKR_OK);
    close_it(&it);
}

static void sessions_closed_elsewhere_cost_no_signature(void **state)
{
    (void)state;
    struct open it = open_it(&first);
    unsigned long initialised = faulty_count()->initialize;
    assert_int_equal(softhsm->C_CloseAllSessions(rig_slot(softhsm, first.label)), CKR_OK);
    assert_true(rig_signs(it.loaded, &first));
    assert_int_equal(faulty_count()->initialize, initialised);
    close_it(&it);
}

static void a_key_found_again_must_be_the_same(void **state)
{
    (void)state;
    struct open it = open_it(&spare);
    CK_SESSION_HANDLE session = rig_session(softhsm, spare.label, CKF_RW_SESSION);
    CK_OBJECT_HANDLE objects[4];
    CK_ULONG len = 0;
    assert_int_equal(softhsm->C_FindObjectsInit(session, NULL, 0), CKR_OK);
    assert_int_equal(softhsm->C_FindObjects(session, objects, ARRAY_LEN(objects), &len), CKR_OK);
    assert_int_equal(softhsm->C_FindObjectsFinal(session), CKR_OK);
    assert_int_equal(len, 2);
    for (CK_ULONG i = 0; i < len; i++) {
        assert_int_equal(softhsm->C_DestroyObject(session, objects[i]), CKR_OK);
    }
    softhsm_generate(spare.label, "P-256", "identity", "01");
    recorder_clear(log_lines);
    assert_false(rig_signs(it.loaded, &spare));
    assert_true(recorder_has(log_lines, "does not match"));
    assert_false(rig_signs(it.loaded, &spare)); /* nor the second time */
    assert_true(rig_queue_has("token spare"));
    assert_int_equal(softhsm->C_CloseSession(session), CKR_OK);
    close_it(&it);
}

/* --- PINs --- */

static void a_refused_pin_is_sent_once(void **state)
{
    (void)state;
    struct hsm_key *key = NULL;
    nk_error err;
    unsigned long sent = faulty_count()->login;
    identity_set_pin(&first, WRONG_PIN);
    assert_int_equal(identity_open(&first, &key, &err), NK_E_PIN);
    assert_int_equal(faulty_count()->login, sent + 1);
    assert_int_equal(identity_open(&first, &key, &err), NK_E_PIN);
    assert_int_equal(faulty_count()->login, sent + 1);
    assert_null(strstr(err.text, WRONG_PIN));
    identity_set_pin(&first, SOFTHSM_PIN);
    struct open it = open_it(&first);
    close_it(&it);
    identity_set_pin(&first, WRONG_PIN);
    unsigned long failed = faulty_count()->login_failed;
    assert_int_equal(identity_open(&first, &key, &err), NK_E_PIN);
    assert_int_equal(faulty_count()->login_failed, failed);
    identity_set_pin(&first, SOFTHSM_PIN);
}

static void a_pin_that_went_wrong_after_open_is_sent_once(void **state)
{
    const char *script = *state;
    struct open it = open_it(&first);
    unsigned long failed = faulty_count()->login_failed;
    /* not yet refused, in either run */
    identity_set_pin(&first, strcmp(script, DEVICE_ERROR_ONCE) == 0 ? "5678-willow" : "9012-alder");
    faulty_set(script);
    assert_false(rig_signs(it.loaded, &first));
    assert_false(rig_signs(it.loaded, &first));
    assert_int_equal(faulty_count()->login_failed, failed + 1);
    identity_set_pin(&first, SOFTHSM_PIN);
    assert_true(rig_signs(it.loaded, &first));
    assert_int_equal(faulty_count()->login_failed, failed + 1);
    faulty_set("");
    close_it(&it);
}

static void a_pin_file_that_is_away_for_a_moment_does_no_harm(void **state)
{
    (void)state;
    struct open it = open_it(&first);
    unsigned long initialised = faulty_count()->initialize;
    assert_int_equal(unlink(first.pin_path), 0);
    faulty_set(DEVICE_ERROR_ONCE);
    assert_true(rig_signs(it.loaded, &first));
    assert_int_equal(faulty_count()->initialize, initialised + 1);
    faulty_set("");
    identity_set_pin(&first, SOFTHSM_PIN);
    close_it(&it);
}

static void a_second_instance_needs_the_pin_too(void **state)
{
    (void)state;
    struct open it = open_it(&first);
    struct hsm_key *key = NULL;
    nk_error err;
    unsigned long sent = faulty_count()->login;
    identity_set_pin(&second, WRONG_PIN);
    assert_int_equal(identity_open(&second, &key, &err), NK_E_PIN);
    identity_set_pin(&second, SOFTHSM_PIN);
    struct open other = open_it(&second);
    assert_int_equal(faulty_count()->login, sent);
    close_it(&it);
    assert_true(rig_signs(other.loaded, &second));
    close_it(&other);
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    softhsm_token("alice");
    softhsm_token("spare");
    log_lines = rig_start(faulty_start());
    first = identity_make("alice", "first", "01", "P-256");
    second = identity_make("alice", "second", "02", "P-256");
    spare = identity_make("spare", "identity", "01", "P-256");
    struct open it = open_it(&first); /* ours is the first C_Initialize */
    close_it(&it);
    softhsm = rig_other_user(SOFTHSM_MODULE);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    identity_free(&first);
    identity_free(&second);
    identity_free(&spare);
    return 0;
}

int main(void)
{
    static char restart[] = DEVICE_ERROR_ONCE;
    static char attach_anew[] = DEVICE_REMOVED_ONCE;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_of_another_name_never_gets_the_pin),
        cmocka_unit_test(a_token_that_came_back_while_nothing_was_open_opens),
        cmocka_unit_test(a_module_that_was_finalised_while_nothing_was_open_opens),
        cmocka_unit_test(an_open_beside_an_idle_instance_survives_a_restart),
        cmocka_unit_test(a_logout_elsewhere_costs_no_signature),
        cmocka_unit_test(sessions_closed_elsewhere_cost_no_signature),
        cmocka_unit_test(a_key_found_again_must_be_the_same),
        cmocka_unit_test(a_refused_pin_is_sent_once),
        { "a_pin_that_went_wrong_after_open_is_sent_once: restart",
          a_pin_that_went_wrong_after_open_is_sent_once, NULL, NULL, restart },
        { "a_pin_that_went_wrong_after_open_is_sent_once: attach anew",
          a_pin_that_went_wrong_after_open_is_sent_once, NULL, NULL, attach_anew },
        cmocka_unit_test(a_pin_file_that_is_away_for_a_moment_does_no_harm),
        cmocka_unit_test(a_second_instance_needs_the_pin_too),
    };
    return cmocka_run_group_tests_name("token", tests, start, stop);
}
