/* SPDX-License-Identifier: Apache-2.0
 * Children of a node. The keys that it loaded sign in them, by an instance, sessions and a login of
 * their own; where the module would break the parent's by it, or a call hangs, they are refused at
 * once; and the parent goes on. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>

#include "base/fork.h"
#include "fixtures/authority.h"
#include "fixtures/child.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/token_rig.h"
#include "pin/pin.h"

#define SIGN_TIMEOUT_MS 20000 /* never reached */
#define HASTE_MS 1000         /* for a token that hangs */
#define SIGNERS 4
#define FORKS 25
#define AT_ONCE 5
#define QUIET_MS 100

/* Time to log out; who waits for nothing leaves that to a thread. */
#define SHUT_WAIT_MS 2000

/* A key that the parent has opened and loaded. */
struct held {
    struct identity identity;
    struct hsm_key *key;
    EVP_PKEY *loaded;
};
static struct held direct;
static struct held by_deadline; /* on the same token */
static struct held hasty;       /* likewise, and soon out of patience */
static struct held given;       /* its PIN came by a descriptor */
static struct identity refused; /* its PIN was refused to the parent */
static struct pin *pin;

static struct faulty_counters before;

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Since the fork, or since the child began a new count. */
#define SINCE(counter) (faulty_count()->counter - before.counter)

static bool calls_nothing(void)
{
    return SINCE(finalize) + SINCE(open_session) + SINCE(close_session) + SINCE(login) +
               SINCE(logout) + SINCE(sign_init) + SINCE(sign) ==
           0;
}

/* --- what a child does; true when all is as it should be --- */

static bool signs(void)
{
    return rig_signs(direct.loaded, &direct.identity) && SINCE(initialize) == 1 &&
           SINCE(finalize) == 0 && SINCE(login) == 0 && SINCE(logout) == 0;
}

static bool signs_by_deadline(void)
{
    return rig_signs(by_deadline.loaded, &by_deadline.identity) && SINCE(finalize) == 0;
}

static bool loads_and_signs(void)
{
    EVP_PKEY *loaded = rig_load(direct.key);
    bool ok = loaded != NULL && rig_signs(loaded, &direct.identity);
    EVP_PKEY_free(loaded);
    return ok;
}

static bool opens_its_own(void)
{
    struct held own = { .identity = direct.identity };
    nk_error err;
    if (identity_open(&own.identity, &own.key, &err) != NK_OK) {
        print_error("%s\n", err.text);
        return false;
    }
    own.loaded = rig_load(own.key);
    bool ok = own.loaded != NULL && rig_signs(own.loaded, &own.identity);
    EVP_PKEY_free(own.loaded);
    rig_shut(own.key);
    return ok && SINCE(finalize) == 0 && SINCE(login) == 1 && SINCE(login_failed) == 0;
}

/* The login that came with the memory opens nothing; yet the parent's keys go on. */
static bool opens_none_with_a_wrong_pin(void)
{
    struct identity wrong = direct.identity;
    struct hsm_key *key = NULL;
    nk_error err;
    wrong.pin_path = refused.pin_path;
    bool ok = identity_open(&wrong, &key, &err) == NK_E_PIN && SINCE(login_failed) == 1 &&
              identity_open(&wrong, &key, &err) == NK_E_PIN && SINCE(login_failed) == 1;
    return ok && rig_signs(direct.loaded, &direct.identity) &&
           rig_signs(by_deadline.loaded, &by_deadline.identity) && SINCE(login_failed) == 1;
}

static void shut_all(void)
{
    hsm_key_shut(direct.key, SHUT_WAIT_MS);
    hsm_key_shut(by_deadline.key, SHUT_WAIT_MS);
    hsm_key_shut(hasty.key, SHUT_WAIT_MS);
}

static bool shuts_what_it_did_not_use(void)
{
    shut_all();
    return !rig_signs(direct.loaded, &direct.identity) && calls_nothing() && SINCE(initialize) == 0;
}

static bool logs_in_and_out(void)
{
    bool ok = signs_by_deadline() && rig_signs(direct.loaded, &direct.identity) &&
              SINCE(login) == 1 && SINCE(login_failed) == 0;
    shut_all();
    return ok && SINCE(logout) == 1 && SINCE(finalize) == 0;
}

static bool sends_a_wrong_pin_once(void)
{
    identity_set_pin(&direct.identity, "not-the-PIN");
    bool ok = !rig_signs(direct.loaded, &direct.identity) &&
              !rig_signs(direct.loaded, &direct.identity) && SINCE(login) == 1;
    identity_set_pin(&direct.identity, SOFTHSM_PIN);
    return ok;
}

static bool sends_no_pin_that_was_refused_before(void)
{
    struct hsm_key *key = NULL;
    nk_error err;
    return identity_open(&refused, &key, &err) == NK_E_PIN &&
           strstr(err.text, "refused this PIN before") != NULL && SINCE(login) == 0;
}

static bool has_no_pin_that_was_given(void)
{
    bool ok = !rig_signs(given.loaded, &given.identity) && SINCE(login) == 0;
    return rig_queue_has("the PIN is with its parent alone") && ok;
}

/* Its PIN is read to the end of a pipe. */
static nk_status open_given(struct hsm_key **ret_key, nk_error *err)
{
    int ends[2];
    if (pipe(ends) != 0 || write(ends[1], SOFTHSM_PIN, strlen(SOFTHSM_PIN)) < 0) {
        abort();
    }
    close(ends[1]);
    const struct hsm_key_request request = { .module = faulty_path(),
                                             .uri = given.identity.uri,
                                             .pin = { .kind = HSM_PIN_FD, .fd = ends[0] },
                                             .token = { .max_sessions = 4,
                                                        .login_timeout_ms = 2000 } };
    *err = (nk_error){ .struct_size = sizeof(*err) };
    nk_status status = hsm_provider_register(given.identity.public_key, err);
    return status == NK_OK ? hsm_key_open(&request, given.identity.public_key, ret_key, err)
                           : status;
}

/* However often it looks for the token, a descriptor can be read but once. */
static bool reads_a_descriptor_once(void)
{
    struct hsm_key *key = NULL;
    nk_error err;
    nk_status status = open_given(&key, &err);
    return status == NK_E_TOKEN && err.native == CKR_TOKEN_NOT_PRESENT && SINCE(login) == 0;
}

static bool knows_no_pin(void)
{
    static const unsigned char zero[PIN_MAX_BYTES];
    return memcmp(pin_bytes(pin), zero, sizeof(zero)) == 0;
}

static bool uses_nothing_of_another_make(void)
{
    struct hsm_key *key = NULL;
    nk_error err;
    bool ok = !rig_signs(direct.loaded, &direct.identity) &&
              rig_queue_has("would break its parent's connection") &&
              !rig_signs(by_deadline.loaded, &by_deadline.identity);
    return ok && identity_open(&direct.identity, &key, &err) != NK_OK &&
           strstr(err.text, "was forked") != NULL && calls_nothing();
}

static bool has_a_child_that_signs(void)
{
    bool ok = rig_signs(direct.loaded, &direct.identity);
    pid_t child = child_fork(true);
    if (child == 0) {
        exit(rig_signs(direct.loaded, &direct.identity) &&
                     rig_signs(by_deadline.loaded, &by_deadline.identity)
                 ? 0
                 : 1);
    }
    return child_is_fine(child) && ok && rig_signs(direct.loaded, &direct.identity);
}

static bool does_nothing(void)
{
    return calls_nothing() && SINCE(initialize) == 0;
}

static bool signs_then_opens(void)
{
    return rig_signs(direct.loaded, &direct.identity) && opens_none_with_a_wrong_pin();
}

static const struct row {
    const char *name;
    bool (*does)(void);
    const char *script;
} rows[] = {
    { "a child signs with its parent's key", signs, "" },
    { "a child signs by deadline", signs_by_deadline, "" },
    { "a child loads a reference", loads_and_signs, "" },
    { "a child opens its own", opens_its_own, "" },
    { "a child's own needs the right PIN", opens_none_with_a_wrong_pin, "" },
    { "so it does when it has signed before", signs_then_opens, "" },
    { "a child has a child that signs", has_a_child_that_signs, "" },
    { "a child that does nothing calls nothing", does_nothing, "" },
    { "a child that closes calls nothing", shuts_what_it_did_not_use, "" },
    { "a child knows no PIN", knows_no_pin, "" },
    { "it begins anew: a child logs in once, and out", logs_in_and_out, "notices_fork=1\n" },
    { "it begins anew: a child opens its own", opens_its_own, "notices_fork=1\n" },
    { "it begins anew: a child's own needs the right PIN", opens_none_with_a_wrong_pin,
      "notices_fork=1\n" },
    { "it begins anew: a child has a child", has_a_child_that_signs, "notices_fork=1\n" },
    { "it begins anew: a wrong PIN is sent once", sends_a_wrong_pin_once, "notices_fork=1\n" },
    { "it begins anew: a refused PIN is not sent", sends_no_pin_that_was_refused_before,
      "notices_fork=1\n" },
    { "it begins anew: a PIN given once is not here", has_no_pin_that_was_given,
      "notices_fork=1\n" },
    { "a child that looks again reads its PIN once", reads_a_descriptor_once, "open_error=0xe0\n" },
    { "not made for it: a child uses nothing", uses_nothing_of_another_make, "other_maker=1\n" },
};

/* --- the parent --- */

static pid_t spawn(bool (*does)(void))
{
    pid_t child = child_fork(true);
    if (child == 0) {
        memcpy(&before, faulty_count(), sizeof(before));
        exit(does() ? 0 : 1); /* with its handlers, as a program ends */
    }
    return child;
}

static void check_end(pid_t child)
{
    assert_true(child_is_fine(child));
}

static void check_parent(void)
{
    memcpy(&before, faulty_count(), sizeof(before));
    assert_true(rig_signs(direct.loaded, &direct.identity));
    assert_true(rig_signs(by_deadline.loaded, &by_deadline.identity));
    assert_true(rig_signs(given.loaded, &given.identity));
    assert_int_equal(SINCE(initialize), 0);
    assert_int_equal(SINCE(login), 0);
    assert_int_equal(SINCE(sign), 3); /* at the first attempt */
}

static void check_row(void **state)
{
    const struct row *row = *state;
    faulty_set(row->script);
    check_end(spawn(row->does));
    faulty_set("");
    check_parent();
}

/* A call that hangs leaves nothing that a child could rely on; fork itself waits for it once. */
static bool is_foreign(void)
{
    struct hsm_key *key = NULL;
    nk_error err;
    long long begun = now_ms();
    bool ok = !rig_signs(direct.loaded, &direct.identity) &&
              rig_queue_has("this process was forked") &&
              identity_open(&direct.identity, &key, &err) == NK_E_USAGE &&
              strncmp(err.text, "forked", 6) == 0;
    hsm_key_shut(direct.key, 1000);
    return ok && calls_nothing() && now_ms() - begun < FORK_WAIT_MS;
}

static void check_hang(void **state)
{
    (void)state;
    faulty_set("sign_hang=1\n");
    assert_false(rig_signs(hasty.loaded, &hasty.identity));
    check_end(spawn(is_foreign));
    long long begun = now_ms();
    check_end(spawn(is_foreign));
    assert_true(now_ms() - begun < FORK_WAIT_MS);
    faulty_set("");
    for (int i = 0; i < 400 && !rig_signs(hasty.loaded, &hasty.identity); i++) {
        usleep(50000);
    }
    check_parent();
    check_end(spawn(signs));
}

/* No handler of ours has run there. */
static void check_bare_child(void **state)
{
    (void)state;
    pid_t child = child_fork(false);
    if (child == 0) {
        memcpy(&before, faulty_count(), sizeof(before));
        _exit(is_foreign() ? 0 : 1);
    }
    check_end(child);
    check_parent();
}

#ifndef NODEKEY_ASAN /* its allocator's locks are not made for forks: children hang in malloc */
struct signer {
    const struct held *held;
    unsigned long failures;
};
static atomic_bool over;

static void *sign_on(void *arg)
{
    struct signer *signer = arg;
    while (!atomic_load(&over)) {
        signer->failures += rig_signs(signer->held->loaded, &signer->held->identity) ? 0 : 1;
    }
    return NULL;
}

static bool signs_both_ways(void)
{
    bool ok = rig_signs(direct.loaded, &direct.identity) &&
              rig_signs(by_deadline.loaded, &by_deadline.identity);
    if (!ok) {
        ERR_print_errors_fp(stderr);
    }
    return ok;
}

static void check_load(void **state)
{
    (void)state;
    pthread_t threads[SIGNERS];
    struct signer signers[SIGNERS];
    pid_t children[FORKS];
    int fine = 0;

    atomic_store(&over, false);
    for (int i = 0; i < SIGNERS; i++) {
        signers[i] = (struct signer){ .held = i % 2 == 0 ? &direct : &by_deadline };
        assert_int_equal(pthread_create(&threads[i], NULL, sign_on, &signers[i]), 0);
    }
    for (int i = 0; i < FORKS + AT_ONCE; i++) {
        fine += i >= AT_ONCE && child_is_fine(children[i - AT_ONCE]) ? 1 : 0;
        if (i < FORKS) {
            children[i] = spawn(signs_both_ways);
        }
    }
    atomic_store(&over, true);
    for (int i = 0; i < SIGNERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(signers[i].failures, 0);
    }
    assert_int_equal(fine, FORKS);
    check_parent();
}
#endif

static bool hold(struct held *held, unsigned sign_timeout_ms)
{
    nk_error err;
    const struct rig_terms terms = { .sign_timeout_ms = sign_timeout_ms };
    rig_set_terms(&terms);
    if (identity_open(&held->identity, &held->key, &err) != NK_OK) {
        print_error("%s\n", err.text);
        return false;
    }
    held->loaded = rig_load(held->key);
    return held->loaded != NULL && rig_signs(held->loaded, &held->identity);
}

static void let_go(struct held *held)
{
    EVP_PKEY_free(held->loaded);
    rig_shut(held->key);
}

/* Nobody is logged in, so the child may begin with the module anew. Goes last. */
static void check_after_close(void **state)
{
    (void)state;
    let_go(&direct);
    let_go(&by_deadline);
    let_go(&hasty);
    let_go(&given);
    usleep(QUIET_MS * 1000); /* the signers' threads end by themselves */
    faulty_set("other_maker=1\n");
    pid_t child = child_fork(true);
    if (child == 0) {
        memcpy(&before, faulty_count(), sizeof(before));
        bool ok = hold(&direct, 0) && SINCE(finalize) == 1;
        let_go(&direct);
        exit(ok ? 0 : 1);
    }
    check_end(child);
    faulty_set("");
    assert_true(hold(&direct, 0));
    let_go(&direct);
}

static bool hold_given(void)
{
    nk_error err;
    if (open_given(&given.key, &err) != NK_OK) {
        print_error("%s\n", err.text);
        return false;
    }
    given.loaded = rig_load(given.key);
    return given.loaded != NULL && rig_signs(given.loaded, &given.identity);
}

static int start(void **state)
{
    (void)state;
    struct hsm_key *key = NULL;
    nk_error err;
    softhsm_start();
    softhsm_token("alice");
    softhsm_token("bob");
    softhsm_token("carol");
    rig_start(faulty_start());
    direct.identity = identity_make("alice", "identity", "01", "P-256");
    by_deadline.identity = identity_make("alice", "other", "02", "RSA-2048");
    hasty.identity = by_deadline.identity;
    refused = identity_make("bob", "identity", "01", "P-256");
    given.identity = identity_make("carol", "identity", "01", "P-256");
    identity_set_pin(&refused, "not-the-PIN");
    const struct hsm_pin_source source = { .kind = HSM_PIN_FILE,
                                           .where = direct.identity.pin_path };
    return hold(&direct, 0) && hold(&by_deadline, SIGN_TIMEOUT_MS) && hold(&hasty, HASTE_MS) &&
                   hold_given() && identity_open(&refused, &key, &err) == NK_E_PIN &&
                   pin_open(&source, "alice", NULL, &pin, &err) == NK_OK
               ? 0
               : -1;
}

static int stop(void **state)
{
    (void)state;
    pin_free(pin);
    identity_free(&direct.identity);
    identity_free(&by_deadline.identity);
    identity_free(&given.identity);
    identity_free(&refused);
    return 0;
}

int main(void)
{
    ROWS_OF(rows, check_row)
#ifndef NODEKEY_ASAN
    ROWS_TEST(check_load);
#endif
    ROWS_TEST(check_bare_child);
    ROWS_TEST(check_hang);
    ROWS_TEST(check_after_close);
    return ROWS_RUN("fork", start, stop);
}
