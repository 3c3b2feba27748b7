/* SPDX-License-Identifier: Apache-2.0
 * A program that initialised the module and logged in for itself before it became a node: its
 * module and its login stay its own. */
#include <pthread.h>
#include <string.h>

#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/token_rig.h"

#define THREADS 8

static struct recorder *log_lines;
static struct identity identity;
static struct identity others; /* the program's, on another token */
static CK_FUNCTION_LIST *p11;
static CK_SESSION_HANDLE own; /* the program's session */

static void log_in(void)
{
    own = rig_session(p11, identity.label, 0);
    assert_int_equal(p11->C_Login(own, CKU_USER, (CK_UTF8CHAR *)SOFTHSM_PIN, strlen(SOFTHSM_PIN)),
                     CKR_OK);
}

static CK_STATE own_state(void)
{
    CK_SESSION_INFO info = { .state = 0 };
    assert_int_equal(p11->C_GetSessionInfo(own, &info), CKR_OK);
    return info.state;
}

static EVP_PKEY *open_key(struct hsm_key **ret_key)
{
    nk_error err;
    if (identity_open(&identity, ret_key, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    EVP_PKEY *loaded = rig_load(*ret_key);
    assert_non_null(loaded);
    return loaded;
}

static void close_leaves_a_login_that_is_not_ours(void **state)
{
    (void)state;
    struct hsm_key *key = NULL;
    log_in();
    EVP_PKEY *loaded = open_key(&key);
    assert_true(rig_signs(loaded, &identity));
    EVP_PKEY_free(loaded);
    rig_shut(key);
    assert_int_equal(own_state(), CKS_RO_USER_FUNCTIONS);
    assert_int_equal(p11->C_Logout(own), CKR_OK);
    assert_int_equal(p11->C_CloseSession(own), CKR_OK);
}

static void a_guest_never_finalises_and_says_who_must(void **state)
{
    (void)state;
    struct hsm_key *key = NULL;
    EVP_PKEY *loaded = open_key(&key);
    unsigned long initialised = faulty_count()->initialize; /* discovery asks, too, in vain */
    recorder_clear(log_lines);
    faulty_set("sign_error=0x30\n"); /* CKR_DEVICE_ERROR */
    assert_false(rig_signs(loaded, &identity));
    assert_true(recorder_has(log_lines, "only it can initialise it again"));
    faulty_set("");
    assert_int_equal(faulty_count()->finalize, 0);
    assert_int_equal(faulty_count()->initialize, initialised);
    assert_true(rig_signs(loaded, &identity));
    EVP_PKEY_free(loaded);
    rig_shut(key);
}

/* A guest's card: out, and back in another reader. */
static void a_guest_finds_its_token_again(void **state)
{
    (void)state;
    struct hsm_key *key = NULL;
    EVP_PKEY *loaded = open_key(&key);
    unsigned long logins = faulty_count()->login;
    recorder_clear(log_lines);
    faulty_set("pulled=1\n");
    assert_false(rig_signs(loaded, &identity));
    assert_false(rig_signs(loaded, &identity));
    assert_true(recorder_has(log_lines, "put it back"));
    assert_false(recorder_has(log_lines, "only it can initialise it again"));
    faulty_set("moved=7\n");
    assert_true(rig_signs(loaded, &identity));
    assert_int_equal(faulty_count()->finalize, 0);
    assert_int_equal(faulty_count()->login, logins + 1);
    EVP_PKEY_free(loaded);
    rig_shut(key);
    faulty_set("");
}

/* Some cards are back only when every session of before is closed: those of the program are not
 * ours to close. */
static void a_guest_never_closes_a_session_that_is_not_ours(void **state)
{
    (void)state;
    struct hsm_key *key = NULL;
    EVP_PKEY *loaded = open_key(&key);
    own = rig_session(p11, identity.label, 0);
    recorder_clear(log_lines);
    faulty_set("pulled=2\n");
    assert_false(rig_signs(loaded, &identity));
    (void)own_state();
    assert_int_equal(p11->C_CloseSession(own), CKR_OK);
    assert_true(rig_signs(loaded, &identity));
    assert_int_equal(faulty_count()->finalize, 0);
    EVP_PKEY_free(loaded);
    rig_shut(key);
    faulty_set("");
}

/* The program may start its module anew at any moment, which it alone may do. */
static void a_guest_outlives_a_restart_by_the_program(void **state)
{
    (void)state;
    struct hsm_key *key = NULL;
    EVP_PKEY *loaded = open_key(&key);
    CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
    unsigned long logins = faulty_count()->login;
    assert_int_equal(p11->C_Finalize(NULL), CKR_OK);
    recorder_clear(log_lines);
    assert_false(rig_signs(loaded, &identity));
    assert_true(recorder_has(log_lines, "only it can initialise it again"));
    assert_int_equal(p11->C_Initialize(&args), CKR_OK);
    assert_true(rig_signs(loaded, &identity));
    assert_int_equal(faulty_count()->login, logins + 1);
    EVP_PKEY_free(loaded);
    rig_shut(key);
}

/* The numbers of our sessions may then be those of the program's with another token: that one must
 * not get our PIN, and they are not ours to close. */
static void a_guest_never_takes_anothers_session_for_its_own(void **state)
{
    (void)state;
    enum { SESSIONS = 8 };
    struct hsm_key *key = NULL;
    EVP_PKEY *loaded = open_key(&key);
    CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
    CK_SESSION_HANDLE sessions[SESSIONS];
    assert_int_equal(p11->C_Finalize(NULL), CKR_OK);
    assert_int_equal(p11->C_Initialize(&args), CKR_OK);
    for (size_t i = 0; i < SESSIONS; i++) {
        sessions[i] = rig_session(p11, "bob", 0);
    }
    assert_true(rig_signs(loaded, &identity));
    for (size_t i = 0; i < SESSIONS; i++) {
        CK_SESSION_INFO info = { .state = 0 };
        assert_int_equal(p11->C_GetSessionInfo(sessions[i], &info), CKR_OK);
        assert_int_equal(info.state, CKS_RO_PUBLIC_SESSION);
        assert_int_equal(p11->C_CloseSession(sessions[i]), CKR_OK);
    }
    EVP_PKEY_free(loaded);
    rig_shut(key);
}

/* Nor is its key taken for ours, where it has the number that ours had. */
static void a_guest_never_signs_with_anothers_key(void **state)
{
    (void)state;
    struct hsm_key *key = NULL;
    CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
    CK_OBJECT_CLASS private = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE wanted = { CKA_CLASS, &private, sizeof(private) };
    CK_OBJECT_HANDLE found = CK_INVALID_HANDLE;
    CK_ULONG len = 0;
    assert_int_equal(p11->C_Finalize(NULL), CKR_OK); /* so that the numbers are the same */
    assert_int_equal(p11->C_Initialize(&args), CKR_OK);
    EVP_PKEY *loaded = open_key(&key);
    assert_int_equal(p11->C_Finalize(NULL), CKR_OK);
    assert_int_equal(p11->C_Initialize(&args), CKR_OK);
    CK_SESSION_HANDLE anchor = rig_session(p11, "bob", 0);
    CK_SESSION_HANDLE pooled = rig_session(p11, "bob", 0);
    assert_int_equal(
        p11->C_Login(anchor, CKU_USER, (CK_UTF8CHAR *)SOFTHSM_PIN, strlen(SOFTHSM_PIN)), CKR_OK);
    assert_int_equal(p11->C_FindObjectsInit(pooled, &wanted, 1), CKR_OK);
    assert_int_equal(p11->C_FindObjects(pooled, &found, 1, &len), CKR_OK);
    assert_int_equal(p11->C_FindObjectsFinal(pooled), CKR_OK);
    assert_int_equal(len, 1);
    assert_true(rig_signs(loaded, &identity)); /* and aborts if it is another's */
    assert_int_equal(p11->C_CloseSession(pooled), CKR_OK);
    assert_int_equal(p11->C_CloseSession(anchor), CKR_OK);
    EVP_PKEY_free(loaded);
    rig_shut(key);
}

static void *sign_once(void *loaded)
{
    return rig_signs(loaded, &identity) ? loaded : NULL;
}

/* More sessions than the ladder has rungs. */
static void dead_sessions_cost_a_guest_no_signature(void **state)
{
    (void)state;
    struct hsm_key *key = NULL;
    EVP_PKEY *loaded = open_key(&key);
    pthread_t threads[THREADS];
    faulty_set("sign_ms=200\n"); /* so that they overlap */
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, sign_once, loaded), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *signed_it = NULL;
        assert_int_equal(pthread_join(threads[i], &signed_it), 0);
        assert_non_null(signed_it);
    }
    faulty_set("");
    assert_int_equal(p11->C_CloseAllSessions(rig_slot(p11, identity.label)), CKR_OK);
    assert_true(rig_signs(loaded, &identity));
    EVP_PKEY_free(loaded);
    rig_shut(key);
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    softhsm_token("alice");
    softhsm_token("bob");
    const char *module = faulty_start();
    log_lines = rig_start(module);
    identity = identity_make("alice", "identity", "01", "P-256");
    others = identity_make("bob", "identity", "01", "P-256");
    p11 = rig_other_user(module);
    CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
    return p11->C_Initialize(&args) == CKR_OK ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    identity_free(&identity);
    identity_free(&others);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(close_leaves_a_login_that_is_not_ours),
        cmocka_unit_test(a_guest_never_finalises_and_says_who_must),
        cmocka_unit_test(a_guest_finds_its_token_again),
        cmocka_unit_test(a_guest_never_closes_a_session_that_is_not_ours),
        cmocka_unit_test(dead_sessions_cost_a_guest_no_signature),
        cmocka_unit_test(a_guest_outlives_a_restart_by_the_program),
        cmocka_unit_test(a_guest_never_takes_anothers_session_for_its_own),
        cmocka_unit_test(a_guest_never_signs_with_anothers_key),
    };
    return cmocka_run_group_tests_name("token_guest", tests, start, stop);
}
