/* SPDX-License-Identifier: Apache-2.0
 * A module that hangs for ever holds neither open nor close: both end in time and name what hangs,
 * nobody else is held up for ever, and when the call comes back after all nothing is left over. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "fixtures/check.h"
#include "fixtures/child.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/token_rig.h"
#include "wait/bounded_call.h"

#define TIMEOUT_MS 1000
#define HUNG_MS 20000 /* whatever takes that long here, hangs */

static struct recorder *log_lines;
static struct identity node, other; /* on two tokens */

static const struct rig_terms hasty = { .login_timeout_ms = TIMEOUT_MS };
static const struct rig_terms calm = { .login_timeout_ms = HUNG_MS };
/* The real module without the faulty one before it. */
static const struct rig_terms elsewhere = { .login_timeout_ms = HUNG_MS, .module = SOFTHSM_MODULE };

static nk_status try_open(const struct identity *identity, const struct rig_terms *terms,
                          struct hsm_key **ret_key, nk_error *err)
{
    rig_set_terms(terms);
    long long before = clock_now_ms();
    nk_status status = identity_open(identity, ret_key, err);
    assert_true(clock_now_ms() - before < HUNG_MS);
    return status;
}

static struct hsm_key *must_open(const struct identity *identity, const struct rig_terms *terms)
{
    struct hsm_key *key = NULL;
    nk_error err;
    if (try_open(identity, terms, &key, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    return key;
}

static void must_sign(const struct hsm_key *key, const struct identity *identity)
{
    EVP_PKEY *loaded = rig_load(key);
    assert_non_null(loaded);
    assert_true(rig_signs(loaded, identity));
    EVP_PKEY_free(loaded);
}

static void must_fail(const struct identity *identity, const char *piece)
{
    struct hsm_key *key = NULL;
    nk_error err;
    assert_int_equal(try_open(identity, &hasty, &key, &err), NK_E_TOKEN);
    assert_null(key);
    if (strstr(err.text, piece) == NULL || strstr(err.text, faulty_path()) == NULL) {
        fail_msg("\"%s\" lacks \"%s\"", err.text, piece);
    }
}

static void await_the_late(void)
{
    faulty_set("");
    long long before = clock_now_ms();
    while (faulty_count()->hanging_now > 0 || faulty_count()->signing_now > 0) {
        assert_true(clock_now_ms() - before < HUNG_MS);
        clock_sleep_ms(1);
    }
}

/* What a thread holds that was left behind. */
struct held {
    unsigned long sessions;
    unsigned long logins;
};

static struct held holds(void)
{
    const struct faulty_counters *count = faulty_count();
    return (struct held){ count->open_session - count->close_session,
                          count->login - count->logout };
}

static void comes_to(struct held want)
{
    long long before = clock_now_ms();
    for (struct held now = holds(); now.sessions != want.sessions || now.logins != want.logins;
         now = holds()) {
        if (clock_now_ms() - before > HUNG_MS) {
            fail_msg("%lu sessions, %lu logins are held, not %lu and %lu", now.sessions, now.logins,
                     want.sessions, want.logins);
        }
        clock_sleep_ms(1);
    }
}

/* --- before anything is initialised: runs first --- */

static struct hsm_key *late; /* in a child */

static void shut_late(void)
{
    hsm_key_shut(late, TIMEOUT_MS);
}

/* As a destructor in C++ does; in a child, since this process goes on. */
static void a_close_during_exit_beside_an_open_that_hangs(void **state)
{
    (void)state;
    pid_t child = child_fork(true);
    if (child == 0) {
        struct hsm_key *key = NULL;
        nk_error err;
        alarm(HUNG_MS / 1000);
        atexit(shut_late); /* before the module is loaded, so it comes after our own handler */
        rig_set_terms(&hasty);
        bool ok = identity_open(&other, &late, &err) == NK_OK;
        faulty_set("login_hang=1\n");
        ok = ok && identity_open(&node, &key, &err) == NK_E_TOKEN;
        exit(ok ? 0 : 1);
    }
    assert_true(child_is_fine(child));
    faulty_set("");
}

static void a_first_call_that_hangs(void **state)
{
    (void)state;
    faulty_set("initialize_hang=1\n");
    must_fail(&node, "C_Initialize");
    must_fail(&node, "an earlier C_Initialize");
    struct hsm_key *key = must_open(&other, &elsewhere);
    must_sign(key, &other);
    rig_shut(key);
    await_the_late();
    key = must_open(&node, &calm);
    must_sign(key, &node);
    rig_shut(key);
    comes_to((struct held){ 0, 0 });
}

/* --- open --- */

static const struct row {
    const char *name; /* the call */
    const char *script;
    const char *next; /* what the next open of the same token hangs in */
} rows[] = {
    { "C_GetSlotList", "slots_hang=1\n", "C_GetSlotList" },
    { "C_Login", "login_hang=1\n", "an earlier open or close" },
    { "C_SignInit", "sign_init_hang=1\n", "C_SignInit" },
    { "C_Sign", "sign_hang=1\n", "C_Sign" },
};

static void an_open_that_hangs(void **state)
{
    const struct row *row = *state;
    struct hsm_key *service = must_open(&other, &calm);
    struct held before = holds();
    faulty_set(row->script);
    must_fail(&node, row->name);
    must_fail(&node, row->next);
    if (strstr(row->script, "sign") == NULL) {
        must_sign(service, &other);
    }
    struct hsm_key *key = must_open(&other, &elsewhere);
    rig_shut(key);
    await_the_late();
    comes_to(before);
    key = must_open(&node, &calm);
    must_sign(key, &node);
    rig_shut(key);
    comes_to(before);
    rig_shut(service);
    assert_int_equal(faulty_count()->session_shared, 0);
    assert_int_equal(faulty_count()->finalize_inside, 0);
}

static void a_slow_token_is_not_one_that_hangs(void **state)
{
    (void)state;
    faulty_set("login_ms=600\nsign_ms=600\n"); /* more than TIMEOUT_MS together */
    struct hsm_key *key = must_open(&node, &hasty);
    faulty_set("");
    must_sign(key, &node);
    rig_shut(key);
}

struct opener {
    pthread_t thread;
    nk_status status;
};

static void *open_once(void *arg)
{
    struct opener *opener = arg;
    struct hsm_key *key = NULL;
    nk_error err;
    opener->status = identity_open(&node, &key, &err);
    return NULL;
}

static void threads_left_behind_are_bounded(void **state)
{
    (void)state;
    struct opener openers[BOUNDED_CALLS_LEFT_MAX];
    struct held before = holds();
    rig_set_terms(&hasty);
    faulty_set("slots_hang=1\n");
    for (size_t i = 0; i < ARRAY_LEN(openers); i++) {
        assert_int_equal(pthread_create(&openers[i].thread, NULL, open_once, &openers[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(openers); i++) {
        assert_int_equal(pthread_join(openers[i].thread, NULL), 0);
        assert_int_equal(openers[i].status, NK_E_TOKEN);
    }
    unsigned long hanging = faulty_count()->hanging_now;
    must_fail(&node, "too many calls hang in it");
    assert_int_equal(faulty_count()->hanging_now, hanging);
    await_the_late();
    comes_to(before);
    long long since = clock_now_ms(); /* the last thread of them may be about to end */
    struct hsm_key *key = NULL;
    nk_error err;
    while (try_open(&node, &calm, &key, &err) != NK_OK) {
        assert_true(clock_now_ms() - since < HUNG_MS);
        clock_sleep_ms(1);
    }
    rig_shut(key);
}

/* --- the host's own thread --- */

static pthread_t asked_on;

static nk_status ask(void *host_data, const char *label, char *buf, size_t room, size_t *len)
{
    (void)host_data;
    (void)label;
    asked_on = pthread_self();
    *len = strlen(SOFTHSM_PIN);
    assert_true(*len <= room);
    memcpy(buf, SOFTHSM_PIN, *len);
    return NK_OK;
}

static void the_pin_is_asked_for_on_the_callers_thread(void **state)
{
    (void)state;
    struct hsm_key *key = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    const nk_host host = { .struct_size = sizeof(host), .ask_pin = ask };
    const struct hsm_key_request request = { .module = faulty_path(),
                                             .uri = node.uri,
                                             .pin = { .kind = HSM_PIN_PROMPT },
                                             .token = { .max_sessions = 4,
                                                        .login_timeout_ms = HUNG_MS },
                                             .host = &host };
    asked_on = 0;
    if (hsm_provider_register(node.public_key, &err) != NK_OK ||
        hsm_key_open(&request, node.public_key, &key, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    assert_true(pthread_equal(asked_on, pthread_self()));
    rig_shut(key);
}

/* --- close --- */

static void a_close_that_hangs(void **state)
{
    (void)state;
    struct hsm_key *key = must_open(&node, &hasty);
    recorder_clear(log_lines);
    faulty_set("logout_hang=1\n");
    long long before = clock_now_ms();
    rig_shut(key);
    assert_true(clock_now_ms() - before < HUNG_MS);
    assert_true(recorder_has(log_lines, "has not come back from C_Logout"));
    must_fail(&node, "an earlier open or close");
    await_the_late();
    comes_to((struct held){ 0, 0 });
    key = must_open(&node, &calm);
    must_sign(key, &node);
    rig_shut(key);
    comes_to((struct held){ 0, 0 });
}

/* One that hangs in an open must not hold up who closes beside it. */
static void a_close_beside_an_open_that_hangs(void **state)
{
    (void)state;
    struct hsm_key *first = must_open(&other, &calm);
    struct hsm_key *second = must_open(&other, &calm);
    faulty_set("login_hang=1\n");
    must_fail(&node, "C_Login");
    recorder_clear(log_lines);
    rig_shut(first); /* not the last: nothing is asked of the module */
    assert_false(recorder_has(log_lines, "left behind"));
    rig_shut(second);
    assert_true(recorder_has(log_lines, "an earlier open or close"));
    await_the_late();
    comes_to((struct held){ 0, 0 });
}

/* --- what has a deadline of its own, but then needs what another holds --- */

struct blocked {
    struct bounded_call bounded; /* first: the thread knows no more */
    pthread_mutex_t lock;
};

static void run_blocked(struct bounded_call *bounded)
{
    struct blocked *blocked = (struct blocked *)bounded;

    bounded_call_step(NULL);
    pthread_mutex_lock(&blocked->lock);
    pthread_mutex_unlock(&blocked->lock);
}

static void clear_blocked(struct bounded_call *bounded)
{
    pthread_mutex_destroy(&((struct blocked *)bounded)->lock);
}

static void a_wait_that_outlives_its_deadline(void **state)
{
    (void)state;
    struct blocked *blocked = bounded_call_new(sizeof(*blocked), run_blocked, clear_blocked);
    nk_error err = { .struct_size = sizeof(err) };
    assert_non_null(blocked);
    blocked->bounded.where = "a module";
    pthread_mutex_init(&blocked->lock, NULL);
    pthread_mutex_lock(&blocked->lock);
    long long before = clock_now_ms();
    assert_int_equal(bounded_call_run(&blocked->bounded, TIMEOUT_MS, false), BOUNDED_CALL_LEFT);
    assert_true(clock_now_ms() - before < HUNG_MS);
    bounded_call_report(&blocked->bounded, BOUNDED_CALL_LEFT, TIMEOUT_MS, &err);
    assert_non_null(strstr(err.text, "a call of another thread"));
    pthread_mutex_unlock(&blocked->lock);
    bounded_call_drop(&blocked->bounded);
}

static void certificates_that_hang(void **state)
{
    (void)state;
    STACK_OF(X509) *chain = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    faulty_set("slots_hang=1\n");
    long long before = clock_now_ms();
    assert_int_equal(
        hsm_certificates(faulty_path(), "pkcs11:token=node;object=leaf", TIMEOUT_MS, &chain, &err),
        NK_E_TOKEN);
    assert_true(clock_now_ms() - before < HUNG_MS);
    assert_non_null(strstr(err.text, "C_GetSlotList"));
    await_the_late();
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    softhsm_token("node");
    softhsm_token("other");
    log_lines = rig_start(faulty_start());
    node = identity_make("node", "identity", "01", "P-256");
    other = identity_make("other", "identity", "01", "P-256");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    identity_free(&node);
    identity_free(&other);
    return 0;
}

#define ROW(i)                                                                                     \
    {                                                                                              \
        "an_open_that_hangs: row " #i, an_open_that_hangs, NULL, NULL, (void *)(uintptr_t)&rows[i] \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_close_during_exit_beside_an_open_that_hangs),
        cmocka_unit_test(a_first_call_that_hangs),
        ROW(0),
        ROW(1),
        ROW(2),
        ROW(3),
        cmocka_unit_test(a_slow_token_is_not_one_that_hangs),
        cmocka_unit_test(threads_left_behind_are_bounded),
        cmocka_unit_test(the_pin_is_asked_for_on_the_callers_thread),
        cmocka_unit_test(a_close_that_hangs),
        cmocka_unit_test(a_close_beside_an_open_that_hangs),
        cmocka_unit_test(a_wait_that_outlives_its_deadline),
        cmocka_unit_test(certificates_that_hang),
    };
    return cmocka_run_group_tests_name("fault_open", tests, start, stop);
}
