/* SPDX-License-Identifier: Apache-2.0
 * Logging in within one process: PIN pads, keys and tokens with a login of another kind, PINs that
 * change, and an application that has logged in itself. */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault/login_scene.h"
#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/softhsm/softhsm.h"

#define OTHER_PIN "2468-larch"

static void a_pin_that_works_survives_the_loss_of_the_state_dir(void **state)
{
    (void)state;
    struct hsm_key *key = NULL;
    nk_error err;
    struct recorder *log_lines = rig_start(faulty_path());
    identity_set_pin(&identity, SOFTHSM_PIN);
    if (identity_open(&identity, &key, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    EVP_PKEY *loaded = rig_load(key);
    assert_true(rig_signs(loaded, &identity));
    assert_int_equal(chmod(identity.state_dir, 0777), 0);
    unsigned long sent = faulty_count()->login;
    faulty_set("sign_error=0x30\nsign_error_at=1\n"); /* mended by C_Finalize only */
    if (!rig_signs(loaded, &identity)) {
        fail_msg("%s", recorder_has(log_lines, "state_dir") ? "state_dir" : "no signature");
    }
    assert_int_equal(faulty_count()->login, sent + 1);
    /* Another PIN has not proven itself. */
    identity_set_pin(&identity, WRONG_PIN);
    faulty_set("sign_error=0x30\nsign_error_at=1\n\n");
    assert_false(rig_signs(loaded, &identity));
    assert_int_equal(faulty_count()->login, sent + 1);
    EVP_PKEY_free(loaded);
    rig_shut(key);
}

static struct hsm_key *open_key(const struct identity *mine)
{
    struct hsm_key *key = NULL;
    nk_error err;
    if (identity_open(mine, &key, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    return key;
}

static void assert_signs(const struct hsm_key *key, const struct identity *mine)
{
    EVP_PKEY *loaded = rig_load(key);
    assert_non_null(loaded);
    assert_true(rig_signs(loaded, mine));
    EVP_PKEY_free(loaded);
}

static void assert_refused(const struct identity *mine, const char *piece)
{
    struct hsm_key *key = NULL;
    nk_error err;
    assert_int_equal(identity_open(mine, &key, &err), NK_E_PIN);
    if (strstr(err.text, piece) == NULL) {
        fail_msg("%s", err.text);
    }
}

/* --- a PIN pad --- */

static void a_pin_pad_is_asked_at_each_login(void **state)
{
    (void)state;
    struct identity mine = identity;
    mine.protected = true;
    setenv("FAULTY_PAD", SOFTHSM_PIN, 1);
    faulty_set("flags=pin_pad");
    unsigned long sent = faulty_count()->login;
    unsigned long typed = faulty_count()->pad_login;
    struct hsm_key *key = open_key(&mine);
    assert_signs(key, &mine);
    assert_int_equal(faulty_count()->pad_login, typed + 1);
    faulty_set("flags=pin_pad\nsign_error=0x30\nsign_error_at=1\n");
    assert_signs(key, &mine);
    assert_int_equal(faulty_count()->pad_login, typed + 2);
    assert_int_equal(faulty_count()->login, sent + 2);
    assert_null(marks_path());
    rig_shut(key);
}

static void a_wrong_pin_at_the_pad_is_asked_for_once(void **state)
{
    (void)state;
    struct identity mine = identity;
    mine.protected = true;
    mine.uri = "pkcs11:token=bob;object=identity";
    setenv("FAULTY_PAD", WRONG_PIN, 1);
    faulty_set("flags=pin_pad");
    unsigned long typed = faulty_count()->pad_login;
    assert_refused(&mine, "typed at it");
    assert_refused(&mine, "refused this PIN before");
    assert_int_equal(faulty_count()->pad_login, typed + 1);
    assert_null(marks_path()); /* the next start may ask the person again */
}

static void a_token_without_a_pad_is_not_asked(void **state)
{
    (void)state;
    struct identity mine = identity;
    mine.protected = true;
    setenv("FAULTY_PAD", SOFTHSM_PIN, 1);
    unsigned long sent = faulty_count()->login;
    assert_refused(&mine, "no PIN pad");
    assert_int_equal(faulty_count()->login, sent);
}

/* --- keys and tokens with a login of another kind --- */

struct kind {
    CK_BBOOL private;
    CK_BBOOL always_authenticate;
};

static struct identity generate(const char *label, struct kind kind)
{
    static unsigned char p256[] = "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
    CK_BBOOL yes = CK_TRUE;
    CK_BYTE id = 7;
    CK_MECHANISM mechanism = { .mechanism = CKM_EC_KEY_PAIR_GEN };
    CK_ATTRIBUTE public_key[] = {
        { CKA_TOKEN, &yes, 1 },  { CKA_ID, &id, 1 },          { CKA_LABEL, "made", 4 },
        { CKA_VERIFY, &yes, 1 }, { CKA_EC_PARAMS, p256, 10 },
    };
    CK_ATTRIBUTE private_key[] = {
        { CKA_TOKEN, &yes, 1 },
        { CKA_ID, &id, 1 },
        { CKA_LABEL, "made", 4 },
        { CKA_SIGN, &yes, 1 },
        { CKA_SENSITIVE, &yes, 1 },
        { CKA_PRIVATE, &kind.private, 1 },
        { CKA_ALWAYS_AUTHENTICATE, &kind.always_authenticate, 1 },
    };
    CK_OBJECT_HANDLE handles[2];
    softhsm_token(label);
    CK_FUNCTION_LIST *softhsm = rig_other_user(SOFTHSM_MODULE);
    assert_int_equal(softhsm->C_Finalize(NULL), CKR_OK); /* to see the new token */
    CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
    assert_int_equal(softhsm->C_Initialize(&args), CKR_OK);
    CK_SESSION_HANDLE session = rig_session(softhsm, label, CKF_RW_SESSION);
    assert_int_equal(
        softhsm->C_Login(session, CKU_USER, (CK_UTF8CHAR *)SOFTHSM_PIN, strlen(SOFTHSM_PIN)),
        CKR_OK);
    assert_int_equal(softhsm->C_GenerateKeyPair(session, &mechanism, public_key, 5, private_key, 7,
                                                &handles[0], &handles[1]),
                     CKR_OK);
    assert_int_equal(softhsm->C_Logout(session), CKR_OK);
    assert_int_equal(softhsm->C_CloseSession(session), CKR_OK);
    struct identity made = { .label = label,
                             .uri = path_of("pkcs11:token=%s;object=made", label),
                             .pin_path = path_of("%s/%s.pin", scratch_folder(), label),
                             .public_key = softhsm_public_key(label, "made", "07"),
                             .state_dir = identity.state_dir };
    identity_set_pin(&made, SOFTHSM_PIN);
    return made;
}

static void a_token_that_needs_no_login_gets_none(void **state)
{
    (void)state;
    struct identity mine = generate("dora", (struct kind){ .private = CK_FALSE });
    faulty_set("no_login=1");
    unsigned long sent = faulty_count()->login;
    struct hsm_key *key = open_key(&mine);
    assert_signs(key, &mine);
    faulty_set("no_login=1\nsign_error=0x30\nsign_error_at=1\n");
    assert_signs(key, &mine);
    assert_int_equal(faulty_count()->login, sent);
    rig_shut(key);
    identity_free(&mine);
}

/* CKF_LOGIN_REQUIRED is a hint: C_Sign may want a login all the same. */
static void a_token_that_needs_a_login_to_sign_gets_one(void **state)
{
    (void)state;
    struct identity mine = generate("dina", (struct kind){ .private = CK_FALSE });
    faulty_set("no_login=1\nsign_error=0x101\nsign_error_at=1\n");
    unsigned long sent = faulty_count()->login;
    struct hsm_key *key = open_key(&mine);
    assert_signs(key, &mine);
    assert_int_equal(faulty_count()->login, sent + 1);
    rig_shut(key);
    identity_free(&mine);
}

static void a_key_that_wants_the_pin_each_time_gets_it_by_deadline(void **state)
{
    (void)state;
    struct identity mine = generate("gina", (struct kind){ CK_TRUE, CK_TRUE });
    rig_set_terms(&(struct rig_terms){ .sign_timeout_ms = 30000 });
    struct hsm_key *key = open_key(&mine);
    EVP_PKEY *inbound = rig_load_inbound(key);
    unsigned long contexts = faulty_count()->context_login;
    assert_signs(key, &mine);
    assert_true(rig_signs(inbound, &mine));
    assert_int_equal(faulty_count()->context_login, contexts + 2);
    EVP_PKEY_free(inbound);
    rig_shut(key);
    rig_set_terms(&(struct rig_terms){ .sign_timeout_ms = 0 });
    identity_free(&mine);
}

static void a_key_that_wants_the_pin_each_time_gets_it(void **state)
{
    (void)state;
    struct identity mine = generate("carol", (struct kind){ CK_TRUE, CK_TRUE });
    unsigned long sent = faulty_count()->login;
    unsigned long contexts = faulty_count()->context_login;
    struct hsm_key *key = open_key(&mine);
    assert_int_equal(faulty_count()->context_login, contexts + 1); /* the test signature */
    for (int i = 0; i < 5; i++) {
        assert_signs(key, &mine);
    }
    assert_int_equal(faulty_count()->context_login, contexts + 6);
    assert_int_equal(faulty_count()->login, sent + 7); /* and one for the session */
    /* Refused in between: it may have been changed, and each try counts on the token. */
    faulty_set("login_error=0xa0");
    EVP_PKEY *loaded = rig_load(key);
    unsigned long failed = faulty_count()->login_failed;
    assert_false(rig_signs(loaded, &mine));
    assert_false(rig_signs(loaded, &mine));
    assert_int_equal(faulty_count()->login_failed, failed + 1);
    assert_non_null(marks_path());
    EVP_PKEY_free(loaded);
    rig_shut(key);
    identity_free(&mine);
}

/* --- a PIN that is changed on the token --- */

#define SIGNERS 8
#define SIGNATURES_EACH 3

struct signer {
    pthread_t thread;
    const struct hsm_key *key;
    const struct identity *identity;
    unsigned signatures;
};

static void *sign_often(void *arg)
{
    struct signer *signer = arg;
    EVP_PKEY *loaded = rig_load(signer->key);
    for (int i = 0; i < SIGNATURES_EACH; i++) {
        signer->signatures += rig_signs(loaded, signer->identity) ? 1 : 0;
    }
    EVP_PKEY_free(loaded);
    return NULL;
}

static unsigned all_sign(const struct hsm_key *key, const struct identity *mine)
{
    struct signer signers[SIGNERS];
    unsigned signatures = 0;
    for (int i = 0; i < SIGNERS; i++) {
        signers[i] = (struct signer){ .key = key, .identity = mine };
        assert_int_equal(pthread_create(&signers[i].thread, NULL, sign_often, &signers[i]), 0);
    }
    for (int i = 0; i < SIGNERS; i++) {
        pthread_join(signers[i].thread, NULL);
        signatures += signers[i].signatures;
    }
    return signatures;
}

static void change_pin(const char *label, const char *from, const char *to)
{
    CK_FUNCTION_LIST *softhsm = rig_other_user(SOFTHSM_MODULE);
    CK_SESSION_HANDLE session = rig_session(softhsm, label, CKF_RW_SESSION);
    assert_int_equal(softhsm->C_SetPIN(session, (CK_UTF8CHAR *)(uintptr_t)from, strlen(from),
                                       (CK_UTF8CHAR *)(uintptr_t)to, strlen(to)),
                     CKR_OK);
    assert_int_equal(softhsm->C_CloseSession(session), CKR_OK);
}

/* Run in both modes, for the login of each signature. Refused once; then it is not sent, also not
 * after the module has started anew; and when the file has the new PIN, no restart is needed. */
static void a_pin_changed_on_the_token_is_refused_once(void **state)
{
    const struct rig_terms *mode = *state;
    const char *label = mode->sign_timeout_ms > 0 ? "ivan" : "hana";
    static const char again[] = "sign_init_error=0x30\nsign_init_error_at=1\n";
    struct identity mine = generate(label, (struct kind){ CK_TRUE, CK_TRUE });
    rig_set_terms(mode);
    struct hsm_key *key = open_key(&mine);
    assert_int_equal(all_sign(key, &mine), SIGNERS * SIGNATURES_EACH);
    unsigned long failed = faulty_count()->login_failed;
    change_pin(label, SOFTHSM_PIN, WRONG_PIN); /* now ours is the wrong one */
    assert_int_equal(all_sign(key, &mine), 0);
    assert_int_equal(faulty_count()->login_failed, failed + 1);
    faulty_set(again);
    assert_int_equal(all_sign(key, &mine), 0);
    assert_int_equal(faulty_count()->login_failed, failed + 1);
    identity_set_pin(&mine, WRONG_PIN);
    faulty_set("");
    for (int i = 0; i < 300 && all_sign(key, &mine) == 0; i++) { /* a breaker may be open */
        usleep(100000);
    }
    assert_int_equal(all_sign(key, &mine), SIGNERS * SIGNATURES_EACH);
    assert_int_equal(faulty_count()->login_failed, failed + 1);
    rig_shut(key);
    rig_set_terms(&(struct rig_terms){ .sign_timeout_ms = 0 });
    identity_free(&mine);
}

/* Likewise, but the PIN's change can be seen: it is in FILE.next, and then in the file. No
 * signature fails, and each change costs one refusal. */
static void a_pin_changed_by_nodekey_costs_no_signature(void **state)
{
    const struct rig_terms *mode = *state;
    const char *label = mode->sign_timeout_ms > 0 ? "kate" : "juno";
    struct identity mine = generate(label, (struct kind){ CK_TRUE, CK_TRUE });
    rig_set_terms(mode);
    struct hsm_key *key = open_key(&mine);
    unsigned long failed = faulty_count()->login_failed;
    identity_set_next(&mine, WRONG_PIN); /* the right one from here */
    change_pin(label, SOFTHSM_PIN, WRONG_PIN);
    assert_int_equal(all_sign(key, &mine), SIGNERS * SIGNATURES_EACH);
    assert_int_equal(faulty_count()->login_failed, failed + 1);
    assert_int_equal(access(path_of("%s.next", mine.pin_path), F_OK), -1);
    change_pin(label, WRONG_PIN, OTHER_PIN);
    identity_set_pin(&mine, OTHER_PIN);
    assert_int_equal(all_sign(key, &mine), SIGNERS * SIGNATURES_EACH);
    assert_int_equal(faulty_count()->login_failed, failed + 2);
    rig_shut(key);
    rig_set_terms(&(struct rig_terms){ .sign_timeout_ms = 0 });
    identity_free(&mine);
}

/* A node that runs while its PIN is changed goes on by the login that it has, and takes the new PIN
 * when it needs another. */
static void a_login_after_the_change_takes_the_new_pin(void **state)
{
    (void)state;
    static const char again[] = "sign_error=0x30\nsign_error_at=1\n"; /* by C_Finalize alone */
    struct identity mine = generate("lena", (struct kind){ .private = CK_TRUE });
    struct hsm_key *key = open_key(&mine);
    unsigned long failed = faulty_count()->login_failed;
    identity_set_next(&mine, WRONG_PIN);
    change_pin("lena", SOFTHSM_PIN, WRONG_PIN);
    assert_signs(key, &mine);
    assert_int_equal(access(path_of("%s.next", mine.pin_path), F_OK), 0);
    faulty_set(again);
    assert_signs(key, &mine);
    assert_int_equal(faulty_count()->login_failed, failed + 1);
    assert_int_equal(access(path_of("%s.next", mine.pin_path), F_OK), -1);
    change_pin("lena", WRONG_PIN, OTHER_PIN);
    identity_set_pin(&mine, OTHER_PIN);
    struct hsm_key *second = open_key(&mine); /* by the login that there is */
    assert_signs(second, &mine);
    rig_shut(second);
    faulty_set("sign_error=0x30\nsign_error_at=1\n\n");
    assert_signs(key, &mine);
    assert_int_equal(faulty_count()->login_failed, failed + 1);
    identity_set_pin(&mine, WRONG_PIN);
    second = open_key(&mine); /* nobody knows yet; the token is not asked while a login holds */
    rig_shut(second);
    identity_set_pin(&mine, SOFTHSM_PIN);
    assert_refused(&mine, "not the PIN that this process has logged in"); /* it was refused */
    assert_int_equal(faulty_count()->login_failed, failed + 1);
    rig_shut(key);
    identity_free(&mine);
}

/* --- an application that has logged in itself --- */

static void a_login_of_the_application_is_used_and_left(void **state)
{
    (void)state;
    struct identity mine = generate("erin", (struct kind){ .private = CK_TRUE });
    CK_FUNCTION_LIST *softhsm = rig_other_user(SOFTHSM_MODULE);
    CK_SESSION_HANDLE session = rig_session(softhsm, "erin", 0);
    CK_SESSION_INFO info;
    assert_int_equal(
        softhsm->C_Login(session, CKU_USER, (CK_UTF8CHAR *)SOFTHSM_PIN, strlen(SOFTHSM_PIN)),
        CKR_OK);
    unsigned long sent = faulty_count()->login;
    struct hsm_key *key = open_key(&mine);
    assert_signs(key, &mine);
    assert_int_equal(faulty_count()->login, sent);
    rig_shut(key);
    assert_int_equal(softhsm->C_GetSessionInfo(session, &info), CKR_OK);
    assert_int_equal(info.state, CKS_RO_USER_FUNCTIONS); /* not ours to end */
    key = open_key(&mine);
    assert_int_equal(softhsm->C_Logout(session), CKR_OK);
    assert_signs(key, &mine);
    assert_int_equal(faulty_count()->login, sent + 1);
    rig_shut(key);
    assert_int_equal(softhsm->C_CloseSession(session), CKR_OK);
    identity_free(&mine);
}

int main(void)
{
    static struct rig_terms direct;
    static struct rig_terms deadline = { .sign_timeout_ms = 30000 };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_pin_that_works_survives_the_loss_of_the_state_dir, fresh_state),
        cmocka_unit_test_setup(a_token_without_a_pad_is_not_asked, fresh_right),
        cmocka_unit_test_setup(a_pin_pad_is_asked_at_each_login, fresh_right),
        cmocka_unit_test_setup(a_wrong_pin_at_the_pad_is_asked_for_once, fresh_right),
        cmocka_unit_test_setup(a_token_that_needs_no_login_gets_none, fresh_right),
        cmocka_unit_test_setup(a_token_that_needs_a_login_to_sign_gets_one, fresh_right),
        cmocka_unit_test_setup(a_key_that_wants_the_pin_each_time_gets_it, fresh_right),
        cmocka_unit_test_setup(a_key_that_wants_the_pin_each_time_gets_it_by_deadline, fresh_right),
        { "a_pin_changed_on_the_token_is_refused_once: direct",
          a_pin_changed_on_the_token_is_refused_once, fresh_right, NULL, &direct },
        { "a_pin_changed_on_the_token_is_refused_once: deadline",
          a_pin_changed_on_the_token_is_refused_once, fresh_right, NULL, &deadline },
        { "a_pin_changed_by_nodekey_costs_no_signature: direct",
          a_pin_changed_by_nodekey_costs_no_signature, fresh_right, NULL, &direct },
        { "a_pin_changed_by_nodekey_costs_no_signature: deadline",
          a_pin_changed_by_nodekey_costs_no_signature, fresh_right, NULL, &deadline },
        cmocka_unit_test_setup(a_login_after_the_change_takes_the_new_pin, fresh_right),
        cmocka_unit_test_setup(a_login_of_the_application_is_used_and_left, fresh_right),
    };
    return cmocka_run_group_tests_name("login", tests, login_set_up, login_tear_down);
}
