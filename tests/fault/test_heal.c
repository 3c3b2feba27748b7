/* SPDX-License-Identifier: Apache-2.0
 * Recovery by class of error, in both modes: what mends itself costs no signature and no more than
 * it must; what does not is asked once. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/auto.h"
#include "fixtures/authority.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/token_rig.h"

#define DEADLINE_MS 30000 /* never reached */
#define SIGNERS 8
#define SIGNATURES_EACH 10
#define PULLS 3

static struct identity node;
static CK_FUNCTION_LIST *softhsm; /* as another part of the program sees it */

struct open {
    struct hsm_key *key;
    EVP_PKEY *loaded;
};

static struct open open_it(unsigned sign_timeout_ms)
{
    struct open it = { .key = NULL };
    nk_error err;
    rig_set_terms(&(struct rig_terms){ .sign_timeout_ms = sign_timeout_ms });
    if (identity_open(&node, &it.key, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    it.loaded = rig_load(it.key);
    assert_non_null(it.loaded);
    return it;
}

static void close_it(struct open *it)
{
    EVP_PKEY_free(it->loaded);
    rig_shut(it->key);
    assert_int_equal(faulty_count()->session_shared, 0);
    assert_int_equal(faulty_count()->finalize_inside, 0);
}

/* --- one error --- */

static const struct row {
    const char *name;
    unsigned long error;
    bool mends;
    unsigned long restarts;
    unsigned long logins;
} rows[] = {
    { "CKR_SESSION_HANDLE_INVALID: another session", 0xb3, true, 0, 0 },
    { "CKR_SESSION_CLOSED: another session", 0xb0, true, 0, 0 },
    { "CKR_OPERATION_ACTIVE: another session", 0x90, true, 0, 0 },
    { "CKR_OPERATION_NOT_INITIALIZED: another session", 0x91, true, 0, 0 },
    { "CKR_OBJECT_HANDLE_INVALID: find again", 0x82, true, 0, 0 },
    { "CKR_KEY_HANDLE_INVALID: find again", 0x60, true, 0, 0 },
    { "CKR_USER_NOT_LOGGED_IN: look at the login", 0x101, true, 0, 0 },
    { "CKR_KEY_TYPE_INCONSISTENT: look at the login", 0x63, true, 0, 0 },
    { "CKR_GENERAL_ERROR: restart", 0x5, true, 1, 1 },
    { "CKR_FUNCTION_FAILED: restart", 0x6, true, 1, 1 },
    { "CKR_DEVICE_ERROR: restart", 0x30, true, 1, 1 },
    { "CKR_DEVICE_REMOVED: attach anew", 0x32, true, 0, 1 },
    { "CKR_TOKEN_NOT_PRESENT: attach anew", 0xe0, true, 0, 1 },
    { "CKR_TOKEN_NOT_RECOGNIZED: attach anew", 0xe1, true, 0, 1 },
    { "CKR_SLOT_ID_INVALID: attach anew", 0x3, true, 0, 1 },
    { "a vendor's own: restart", 0x80001234, true, 1, 1 },
    { "CKR_MECHANISM_INVALID: nothing helps", 0x70, false, 0, 0 },
    { "CKR_DATA_LEN_RANGE: nothing helps", 0x21, false, 0, 0 },
    { "CKR_KEY_FUNCTION_NOT_PERMITTED: nothing helps", 0x68, false, 0, 0 },
    { "CKR_PIN_LOCKED: nothing helps", 0xa4, false, 0, 0 },
};

struct once {
    const struct row *row;
    const char *call; /* "sign" or "sign_init" */
    unsigned sign_timeout_ms;
};

static void one_error(void **state)
{
    const struct once *once = *state;
    const struct row *row = once->row;
    char script[128];
    struct open it = open_it(once->sign_timeout_ms);
    assert_true(rig_signs(it.loaded, &node));
    unsigned long restarts = faulty_count()->finalize;
    unsigned long logins = faulty_count()->login;
    unsigned long tries = faulty_count()->sign_init;
    snprintf(script, sizeof(script), "%s_error=0x%lx\n%s_error_at=1\n", once->call, row->error,
             once->call);
    faulty_set(script);
    assert_int_equal(rig_signs(it.loaded, &node), row->mends);
    assert_int_equal(faulty_count()->finalize, restarts + row->restarts);
    assert_int_equal(faulty_count()->login, logins + row->logins);
    if (!row->mends) {
        assert_int_equal(faulty_count()->sign_init, tries + 1);
    }
    assert_true(rig_signs(it.loaded, &node)); /* and the next one works */
    faulty_set("");
    close_it(&it);
}

/* --- many at once --- */

struct signer {
    pthread_t thread;
    EVP_PKEY *key;
    unsigned failures;
};

static void *sign_often(void *arg)
{
    struct signer *signer = arg;
    for (int i = 0; i < SIGNATURES_EACH; i++) {
        signer->failures += rig_signs(signer->key, &node) ? 0 : 1;
    }
    return NULL;
}

static void begin_all(struct signer signers[SIGNERS], EVP_PKEY *key)
{
    for (int i = 0; i < SIGNERS; i++) {
        signers[i] = (struct signer){ .key = key };
        assert_int_equal(pthread_create(&signers[i].thread, NULL, sign_often, &signers[i]), 0);
    }
}

static unsigned failures_of(struct signer signers[SIGNERS])
{
    unsigned failures = 0;
    for (int i = 0; i < SIGNERS; i++) {
        assert_int_equal(pthread_join(signers[i].thread, NULL), 0);
        failures += signers[i].failures;
    }
    return failures;
}

static void all_sign(EVP_PKEY *key)
{
    struct signer signers[SIGNERS];
    begin_all(signers, key);
    assert_int_equal(failures_of(signers), 0);
}

/* --- a card that is pulled --- */

static void a_card_put_back_needs_no_restart(void **state)
{
    struct open it = open_it(*(const unsigned *)*state);
    assert_true(rig_signs(it.loaded, &node));
    unsigned long restarts = faulty_count()->finalize;
    unsigned long logins = faulty_count()->login;
    faulty_set("pulled=2\nmoved=7\n"); /* into another reader */
    assert_true(rig_signs(it.loaded, &node));
    assert_true(rig_signs(it.loaded, &node));
    assert_int_equal(faulty_count()->finalize, restarts);
    assert_int_equal(faulty_count()->login, logins + 1);
    close_it(&it);
    faulty_set("");
    assert_int_equal(faulty_count()->sessions_now, 0);
}

/* One that is away is looked for by a restart, too: some modules see it come back only then. */
static void a_card_that_was_away_serves_when_it_is_back(void **state)
{
    (void)state;
    struct open it = open_it(0);
    unsigned long logins = faulty_count()->login;
    faulty_set("pulled=1\n");
    assert_false(rig_signs(it.loaded, &node));
    assert_false(rig_signs(it.loaded, &node));
    assert_int_equal(faulty_count()->login, logins);
    faulty_set("");
    assert_true(rig_signs(it.loaded, &node));
    assert_int_equal(faulty_count()->login, logins + 1);
    close_it(&it);
}

/* Those who sign while it happens must all come back before the sessions are closed. */
static void a_card_put_back_under_load_needs_no_restart(void **state)
{
    struct open it = open_it(*(const unsigned *)*state);
    struct signer signers[SIGNERS];
    unsigned long restarts = faulty_count()->finalize;
    for (int i = 0; i < PULLS; i++) {
        faulty_set("sign_ms=5\n");
        begin_all(signers, it.loaded);
        nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
        faulty_set("sign_ms=5\npulled=2\n");
        assert_int_equal(failures_of(signers), 0);
    }
    faulty_set("");
    assert_int_equal(faulty_count()->finalize, restarts);
    close_it(&it);
    assert_int_equal(faulty_count()->sessions_now, 0);
}

/* --- logins and sessions --- */

static void one_login_for_all(void **state)
{
    struct open it = open_it(*(const unsigned *)*state);
    assert_true(rig_signs(it.loaded, &node));
    unsigned long logins = faulty_count()->login;
    CK_SESSION_HANDLE session = rig_session(softhsm, node.label, 0);
    assert_int_equal(softhsm->C_Logout(session), CKR_OK);
    all_sign(it.loaded);
    assert_int_equal(faulty_count()->login, logins + 1);
    assert_int_equal(softhsm->C_CloseSession(session), CKR_OK);
    close_it(&it);
}

static void a_limit_of_sessions_is_learned(void **state)
{
    faulty_set("sessions_max=3\n"); /* the login's, and two to sign in */
    struct open it = open_it(*(const unsigned *)*state);
    unsigned long opened = faulty_count()->open_session;
    all_sign(it.loaded);
    assert_true(faulty_count()->open_session <= opened + 4); /* nor is it tried again and again */
    faulty_set("");
    close_it(&it);
}

static void one_session_is_enough(void **state)
{
    faulty_set("sessions_max=1\n");
    struct open it = open_it(*(const unsigned *)*state);
    all_sign(it.loaded);
    unsigned long logins = faulty_count()->login;
    faulty_set("sessions_max=1\nsign_error=0xb3\nsign_error_at=1\n");
    assert_true(rig_signs(it.loaded, &node));
    assert_int_equal(faulty_count()->login, logins + 1); /* it went with the session */
    unsigned long logouts = faulty_count()->logout;
    faulty_set("");
    close_it(&it);
    assert_int_equal(faulty_count()->logout, logouts + 1);
    assert_int_equal(faulty_count()->sessions_now, 0);
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    softhsm_token("node");
    rig_start(faulty_start());
    node = identity_make("node", "identity", "01", "P-256");
    struct open it = open_it(0); /* ours is the first C_Initialize */
    close_it(&it);
    softhsm = rig_other_user(SOFTHSM_MODULE);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    identity_free(&node);
    return 0;
}

int main(void)
{
    static const unsigned modes[] = { 0, DEADLINE_MS };
    static const char *const calls[] = { "sign", "sign_init" };
    static const struct {
        const char *name;
        CMUnitTestFunction function;
    } crowds[] = {
        { "a card put back needs no restart", a_card_put_back_needs_no_restart },
        { "a card put back under load needs no restart",
          a_card_put_back_under_load_needs_no_restart },
        { "one login for all", one_login_for_all },
        { "a limit of sessions is learned", a_limit_of_sessions_is_learned },
        { "one session is enough", one_session_is_enough },
    };
    static struct once every[ARRAY_LEN(rows) * ARRAY_LEN(calls) * ARRAY_LEN(modes)];

    ROWS_TEST(a_card_that_was_away_serves_when_it_is_back);
    for (size_t i = 0; i < ARRAY_LEN(every); i++) {
        every[i] = (struct once){ &rows[i / 4], calls[i / 2 % 2], modes[i % 2] };
        rows_add(path_of("%s (%s, %s)", every[i].row->name, every[i].call,
                         i % 2 == 0 ? "direct" : "deadline"),
                 one_error, &every[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(crowds) * ARRAY_LEN(modes); i++) {
        rows_add(path_of("%s (%s)", crowds[i / 2].name, i % 2 == 0 ? "direct" : "deadline"),
                 crowds[i / 2].function, &modes[i % 2]);
    }
    return ROWS_RUN("fault_heal", start, stop);
}
