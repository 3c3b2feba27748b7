/* SPDX-License-Identifier: Apache-2.0
 * Signatures whose callers are called back: once each, on a thread of ours, whatever the token
 * does, and whoever cancels. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/auto.h"
#include "base/clock.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/token_rig.h"

#define ECDSA_SHA256 0x0403
#define PSS_SHA256 0x0804
#define TIMEOUT_MS 300
#define PATIENCE_MS 20000
#define HANG "sign_hang=1\n"
#define AT_ONCE 40
#define CHURN 3000
#define CHURN_AT_ONCE 64

static struct recorder *log_lines;
static struct identity node;
static const uint8_t text[] = "what TLS wants signed";

/* A start, and what came of it. */
struct asked {
    struct hsm_signing *signing;
    pthread_t starter;
    atomic_uint dones;
    bool on_starter; /* called back inside the start */
    nk_status status;
    size_t len;
    uint8_t signature[NK_SIGNATURE_BYTES];
    char said[NK_ERROR_TEXT_BYTES];
};

static void take_answer(void *arg, const uint8_t *signature, size_t len, const nk_error *err)
{
    struct asked *asked = arg;

    asked->on_starter = pthread_equal(pthread_self(), asked->starter) != 0;
    asked->status = err->status;
    asked->len = len;
    memcpy(asked->signature, signature, err->status == NK_OK ? len : 0);
    snprintf(asked->said, sizeof(asked->said), "%s", err->text);
    atomic_fetch_add(&asked->dones, 1);
}

static struct hsm_key *open_key(const struct rig_terms *terms)
{
    struct hsm_key *key = NULL;
    nk_error err;

    rig_set_terms(terms);
    if (identity_open(&node, &key, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    recorder_clear(log_lines);
    return key;
}

static void close_key(struct hsm_key *key)
{
    rig_shut(key);
    assert_int_equal(faulty_count()->session_shared, 0);
}

static nk_status start_one(struct hsm_key *key, bool inbound, struct asked *asked)
{
    const struct hsm_message message = {
        .algorithm = ECDSA_SHA256, .inbound = inbound, .data = text, .len = sizeof(text)
    };
    nk_error err = { .struct_size = sizeof(err) };

    *asked = (struct asked){ .starter = pthread_self() };
    nk_status status = hsm_key_start(key, &message, take_answer, asked, &asked->signing, &err);
    snprintf(asked->said, sizeof(asked->said), "%s", status != NK_OK ? err.text : asked->said);
    return status;
}

static bool is_answered(struct asked *asked)
{
    for (int ms = 0; ms < PATIENCE_MS && atomic_load(&asked->dones) == 0; ms++) {
        clock_sleep_ms(1);
    }
    return atomic_load(&asked->dones) == 1;
}

static void assert_answer(struct asked *asked, nk_status status, const char *says)
{
    assert_true(is_answered(asked));
    assert_false(asked->on_starter);
    if (asked->status != status || strstr(asked->said, says) == NULL) {
        fail_msg("%d %s", (int)asked->status, asked->said);
    }
    hsm_signing_free(asked->signing);
}

static bool verifies(const struct asked *asked)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, node.public_key) == 1 &&
                EVP_DigestVerify(ctx, asked->signature, asked->len, text, sizeof(text)) == 1;

    EVP_MD_CTX_free(ctx);
    return good;
}

static bool comes_to(const atomic_ulong *counter, unsigned long value)
{
    for (int ms = 0; ms < PATIENCE_MS && *counter != value; ms++) {
        clock_sleep_ms(1);
    }
    return *counter == value;
}

/* --- what comes of a start --- */

static const struct rig_terms direct = { .sign_timeout_ms = 0 };
static const struct rig_terms deadline = { .sign_timeout_ms = TIMEOUT_MS };
static const struct mode {
    const char *name;
    const struct rig_terms *terms;
} modes[] = { { "it is signed, direct mode", &direct }, { "it is signed, deadline", &deadline } };

static void it_is_signed(void **state)
{
    const struct mode *mode = *state;
    struct hsm_key *key = open_key(mode->terms);
    struct asked asked;

    for (int i = 0; i < 20; i++) {
        assert_int_equal(start_one(key, i % 2 == 0, &asked), NK_OK);
        assert_answer(&asked, NK_OK, "");
        assert_true(verifies(&asked));
    }
    assert_int_equal(hsm_key_inbound_signatures(key), 10);
    close_key(key);
}

static void it_is_signed_while_the_caller_waits(void **state)
{
    (void)state;
    struct hsm_key *key = open_key(&direct);
    struct asked asked = { .status = NK_OK };
    const struct hsm_message message = { .algorithm = ECDSA_SHA256,
                                         .data = text,
                                         .len = sizeof(text) };

    assert_int_equal(hsm_key_sign(key, &message, asked.signature, &asked.len, NULL), NK_OK);
    assert_true(verifies(&asked));
    close_key(key);
}

static void an_algorithm_of_other_keys_is_refused(void **state)
{
    (void)state;
    struct hsm_key *key = open_key(&direct);
    struct asked asked = { .status = NK_OK };
    const struct hsm_message message = { .algorithm = PSS_SHA256,
                                         .data = text,
                                         .len = sizeof(text) };
    nk_error err = { .struct_size = sizeof(err) };

    assert_int_equal(hsm_key_sign(key, &message, asked.signature, &asked.len, &err),
                     NK_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "P-256 key does not sign by TLS SignatureScheme 0x0804"));
    err = (nk_error){ .struct_size = sizeof(err) };
    assert_int_equal(hsm_key_start(key, &message, take_answer, &asked, &asked.signing, &err),
                     NK_E_UNSUPPORTED);
    close_key(key);
    assert_int_equal(asked.dones, 0);
}

/* Each in a session of its own; no thread of the callers' is in any. */
static void all_are_signed_at_once(void **state)
{
    (void)state;
    static struct asked asked[AT_ONCE];
    struct hsm_key *key =
        open_key(&(struct rig_terms){ .max_sessions = AT_ONCE + 1, .sign_timeout_ms = 60000 });

    faulty_set(HANG);
    for (size_t i = 0; i < AT_ONCE; i++) {
        assert_int_equal(start_one(key, true, &asked[i]), NK_OK);
    }
    assert_true(comes_to(&faulty_count()->signing_now, AT_ONCE));
    faulty_set("");
    for (size_t i = 0; i < AT_ONCE; i++) {
        assert_answer(&asked[i], NK_OK, "");
        assert_true(verifies(&asked[i]));
    }
    close_key(key);
}

/* --- a token that hangs --- */

static void a_hang_is_answered_in_time(void **state)
{
    (void)state;
    struct hsm_key *key = open_key(&deadline);
    struct asked first, second;

    faulty_set(HANG);
    assert_int_equal(start_one(key, false, &first), NK_OK);
    assert_answer(&first, NK_E_TOKEN, "no answer for 300 ms");
    assert_int_equal(start_one(key, false, &second), NK_E_TOKEN);
    assert_non_null(strstr(second.said, "has stopped answering"));
    assert_int_equal(second.dones, 0);
    faulty_set("");
    assert_true(recorder_waits_for(log_lines, "answers again after", PATIENCE_MS));
    assert_int_equal(start_one(key, false, &second), NK_OK);
    assert_answer(&second, NK_OK, "");
    close_key(key);
}

static void a_breaker_that_opens_answers_all(void **state)
{
    (void)state;
    struct hsm_key *key =
        open_key(&(struct rig_terms){ .sign_timeout_ms = TIMEOUT_MS, .max_sessions = 2 });
    struct asked asked[6];

    faulty_set(HANG);
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        assert_int_equal(start_one(key, false, &asked[i]), NK_OK);
    }
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        assert_answer(&asked[i], NK_E_TOKEN, "");
    }
    faulty_set("");
    close_key(key);
}

/* A host signs both ways with a quick key: what one hears, the other knows. */
static void a_signature_at_once_closes_the_breaker(void **state)
{
    (void)state;
    struct hsm_key *key = open_key(&direct);
    struct asked asked;
    const struct hsm_message message = { .algorithm = ECDSA_SHA256,
                                         .data = text,
                                         .len = sizeof(text) };
    size_t len = 0;

    faulty_set("sign_error=0x30\n");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(start_one(key, false, &asked), NK_OK);
        assert_answer(&asked, NK_E_TOKEN, "");
    }
    assert_int_equal(start_one(key, false, &asked), NK_E_TOKEN);
    assert_non_null(strstr(asked.said, "has stopped answering"));
    faulty_set("");
    assert_int_equal(hsm_key_sign(key, &message, asked.signature, &len, NULL), NK_OK);
    assert_int_equal(start_one(key, false, &asked), NK_OK);
    assert_answer(&asked, NK_OK, "");
    assert_true(recorder_has(log_lines, "answers again after"));
    close_key(key);
}

static void too_many_are_refused_at_once(void **state)
{
    (void)state;
    struct hsm_key *key =
        open_key(&(struct rig_terms){ .max_sessions = 2, .max_waiting_inbound = 1 });
    struct asked signing, waiting, refused, ours;

    faulty_set(HANG);
    assert_int_equal(start_one(key, true, &signing), NK_OK);
    assert_true(comes_to(&faulty_count()->signing_now, 1));
    assert_int_equal(start_one(key, true, &waiting), NK_OK);
    assert_int_equal(start_one(key, true, &refused), NK_E_TOKEN);
    assert_non_null(strstr(refused.said, "token.max_waiting_inbound"));
    assert_int_equal(start_one(key, false, &ours), NK_OK); /* our own dialling has a session */
    assert_true(comes_to(&faulty_count()->signing_now, 2));
    faulty_set("");
    assert_answer(&signing, NK_OK, "");
    assert_answer(&waiting, NK_OK, "");
    assert_answer(&ours, NK_OK, "");
    assert_int_equal(refused.dones, 0);
    close_key(key);
}

/* --- cancelled, closed, freed --- */

static void who_cancels_waits_for_nothing(void **state)
{
    (void)state;
    struct hsm_key *key = open_key(&(struct rig_terms){ .max_sessions = 2 });
    struct asked inside, waiting;

    faulty_set(HANG);
    assert_int_equal(start_one(key, true, &inside), NK_OK);
    assert_true(comes_to(&faulty_count()->signing_now, 1));
    assert_int_equal(start_one(key, true, &waiting), NK_OK);
    hsm_signing_cancel(inside.signing);
    hsm_signing_cancel(waiting.signing);
    hsm_signing_cancel(waiting.signing);
    assert_answer(&inside, NK_E_CLOSED, "cancelled");
    assert_answer(&waiting, NK_E_CLOSED, "cancelled");
    faulty_set("");
    assert_false(recorder_has(log_lines, "no signature"));
    close_key(key);
}

static void what_was_answered_is_cancelled_in_vain(void **state)
{
    (void)state;
    struct hsm_key *key = open_key(&direct);
    struct asked asked;

    assert_int_equal(start_one(key, false, &asked), NK_OK);
    assert_true(is_answered(&asked));
    hsm_signing_cancel(asked.signing);
    close_key(key);
    hsm_signing_cancel(asked.signing); /* a handle outlives key and token */
    assert_answer(&asked, NK_OK, "");
}

static void a_shut_key_answers_all(void **state)
{
    (void)state;
    struct hsm_key *key =
        open_key(&(struct rig_terms){ .max_sessions = 2, .login_timeout_ms = 2000 });
    struct asked inside, waiting, late;

    faulty_set(HANG);
    assert_int_equal(start_one(key, true, &inside), NK_OK);
    assert_true(comes_to(&faulty_count()->signing_now, 1));
    assert_int_equal(start_one(key, true, &waiting), NK_OK);
    hsm_key_ref(key);
    rig_shut(key);
    assert_int_equal(inside.dones, 1); /* before it returns */
    assert_int_equal(waiting.dones, 1);
    assert_answer(&inside, NK_E_CLOSED, "closed");
    assert_answer(&waiting, NK_E_CLOSED, "closed");
    assert_int_equal(start_one(key, true, &late), NK_E_CLOSED);
    unsigned long logouts = faulty_count()->logout;
    faulty_set("");
    assert_true(comes_to(&faulty_count()->logout, logouts + 1)); /* when it comes back after all */
    hsm_key_unref(key);
}

static void a_handle_is_freed_before_the_answer(void **state)
{
    (void)state;
    struct hsm_key *key = open_key(&direct);
    struct asked asked;

    faulty_set("sign_ms=100\n");
    assert_int_equal(start_one(key, false, &asked), NK_OK);
    hsm_signing_free(asked.signing);
    asked.signing = NULL;
    assert_answer(&asked, NK_OK, "");
    assert_true(verifies(&asked));
    faulty_set("");
    close_key(key);
}

/* --- from the call back --- */

static struct hsm_key *chained_key;
static atomic_uint links;

static void start_next(void *arg, const uint8_t *signature, size_t len, const nk_error *err)
{
    (void)arg, (void)signature, (void)len;
    if (err->status == NK_OK && atomic_fetch_add(&links, 1) < 10) {
        const struct hsm_message message = {
            .algorithm = ECDSA_SHA256, .inbound = true, .data = text, .len = sizeof(text)
        };
        struct hsm_signing *signing = NULL;
        assert_int_equal(hsm_key_start(chained_key, &message, start_next, NULL, &signing, NULL),
                         NK_OK);
        hsm_signing_free(signing);
    }
}

/* No lock of ours is held, and a worker is free while it calls back. */
static void a_call_back_may_start_another(void **state)
{
    (void)state;
    struct hsm_signing *signing = NULL;
    const struct hsm_message message = {
        .algorithm = ECDSA_SHA256, .inbound = true, .data = text, .len = sizeof(text)
    };

    chained_key = open_key(&(struct rig_terms){ .max_sessions = 2 });
    assert_int_equal(hsm_key_start(chained_key, &message, start_next, NULL, &signing, NULL), NK_OK);
    for (int ms = 0; ms < PATIENCE_MS && atomic_load(&links) < 11; ms++) {
        clock_sleep_ms(1);
    }
    assert_int_equal(links, 11);
    hsm_signing_free(signing);
    close_key(chained_key);
}

/* A call back that takes its time: until `go_on`. */
static atomic_bool go_on;
static atomic_uint held;

static void take_answer_slowly(void *arg, const uint8_t *signature, size_t len, const nk_error *err)
{
    atomic_fetch_add(&held, 1);
    for (int ms = 0; ms < PATIENCE_MS && !atomic_load(&go_on); ms++) {
        clock_sleep_ms(1);
    }
    take_answer(arg, signature, len, err);
}

static void start_slowly_answered(struct hsm_key *key, struct asked *asked)
{
    const struct hsm_message message = { .algorithm = ECDSA_SHA256,
                                         .data = text,
                                         .len = sizeof(text) };

    *asked = (struct asked){ .starter = pthread_self() };
    assert_int_equal(hsm_key_start(key, &message, take_answer_slowly, asked, &asked->signing, NULL),
                     NK_OK);
}

static void hold_call_backs(struct hsm_key *key, struct asked *asked, unsigned len)
{
    atomic_store(&go_on, false);
    atomic_store(&held, 0);
    for (unsigned i = 0; i < len; i++) {
        start_slowly_answered(key, &asked[i]);
    }
    for (int ms = 0; ms < PATIENCE_MS && atomic_load(&held) < len; ms++) {
        clock_sleep_ms(1);
    }
    assert_int_equal(held, len);
}

/* As gRPC does, which judges a server inside: the token signs for others meanwhile, on as many
 * sessions as before. */
static void a_slow_call_back_keeps_no_session(void **state)
{
    (void)state;
    struct hsm_key *key =
        open_key(&(struct rig_terms){ .sign_timeout_ms = PATIENCE_MS, .max_sessions = 2 });
    struct asked slow[2], others[6];

    hold_call_backs(key, slow, ARRAY_LEN(slow));
    faulty_set("sign_ms=50\n");
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_int_equal(start_one(key, i % 2 == 0, &others[i]), NK_OK);
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_answer(&others[i], NK_OK, "");
    }
    faulty_set(HANG);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_int_equal(start_one(key, false, &others[i]), NK_OK);
    }
    assert_true(comes_to(&faulty_count()->signing_now, 2));
    clock_sleep_ms(50);
    assert_int_equal(faulty_count()->signing_now, 2);
    faulty_set("");
    atomic_store(&go_on, true);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_answer(&others[i], NK_OK, "");
    }
    assert_answer(&slow[0], NK_OK, "");
    assert_answer(&slow[1], NK_OK, "");
    close_key(key);
}

/* Host code that fills all threads there may be: what is started meanwhile is answered in time. */
static void call_backs_that_stop_stop_no_caller(void **state)
{
    (void)state;
    struct hsm_key *key =
        open_key(&(struct rig_terms){ .sign_timeout_ms = TIMEOUT_MS, .max_sessions = 1 });
    struct asked slow[2], late, after;

    hold_call_backs(key, slow, ARRAY_LEN(slow));
    assert_int_equal(start_one(key, false, &late), NK_OK);
    assert_answer(&late, NK_E_TOKEN, "busy");
    atomic_store(&go_on, true);
    assert_answer(&slow[0], NK_OK, "");
    assert_answer(&slow[1], NK_OK, "");
    assert_int_equal(start_one(key, false, &after), NK_OK);
    assert_answer(&after, NK_OK, "");
    close_key(key);
}

static void sign_inside(void *arg, const uint8_t *signature, size_t len, const nk_error *err)
{
    const struct hsm_message message = { .algorithm = ECDSA_SHA256,
                                         .data = text,
                                         .len = sizeof(text) };
    struct asked *asked = arg;
    nk_error own = { .struct_size = sizeof(own) };

    (void)signature, (void)len;
    assert_int_equal(err->status, NK_OK);
    own.status = hsm_key_sign(chained_key, &message, asked->signature, &asked->len, &own);
    take_answer(asked, asked->signature, asked->len, &own);
}

/* With the one session that there is. */
static void a_call_back_may_wait_for_another(void **state)
{
    (void)state;
    struct asked asked = { .starter = pthread_self() };
    const struct hsm_message message = { .algorithm = ECDSA_SHA256,
                                         .data = text,
                                         .len = sizeof(text) };

    chained_key =
        open_key(&(struct rig_terms){ .sign_timeout_ms = 10 * TIMEOUT_MS, .max_sessions = 1 });
    assert_int_equal(
        hsm_key_start(chained_key, &message, sign_inside, &asked, &asked.signing, NULL), NK_OK);
    assert_answer(&asked, NK_OK, "");
    assert_true(verifies(&asked));
    close_key(chained_key);
}

/* --- churn --- */

static void *cancel_all(void *arg)
{
    struct asked *asked = arg;

    for (size_t i = 0; i < CHURN_AT_ONCE; i += 3) {
        if (asked[i].signing != NULL) {
            hsm_signing_cancel(asked[i].signing);
        }
    }
    return NULL;
}

static void each_start_is_answered_once(void **state)
{
    (void)state;
    static struct asked asked[CHURN_AT_ONCE];
    struct hsm_key *key = open_key(&(struct rig_terms){ .max_sessions = 8 });
    size_t signed_len = 0, cancelled = 0;

    for (size_t round = 0; round < CHURN / CHURN_AT_ONCE; round++) {
        pthread_t thread;
        for (size_t i = 0; i < CHURN_AT_ONCE; i++) {
            assert_int_equal(start_one(key, i % 2 == 0, &asked[i]), NK_OK);
        }
        assert_int_equal(pthread_create(&thread, NULL, cancel_all, asked), 0);
        for (size_t i = 0; i < CHURN_AT_ONCE; i++) {
            assert_true(is_answered(&asked[i]));
        }
        assert_int_equal(pthread_join(thread, NULL), 0);
        for (size_t i = 0; i < CHURN_AT_ONCE; i++) {
            assert_int_equal(asked[i].dones, 1);
            assert_true(asked[i].status == NK_OK ? verifies(&asked[i])
                                                 : asked[i].status == NK_E_CLOSED);
            signed_len += asked[i].status == NK_OK ? 1 : 0;
            cancelled += asked[i].status == NK_OK ? 0 : 1;
            hsm_signing_free(asked[i].signing);
        }
    }
    print_message("    %zu signed, %zu cancelled\n", signed_len, cancelled);
    assert_true(cancelled > 0);
    close_key(key);
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    softhsm_token("node");
    log_lines = rig_start(faulty_start());
    node = identity_make("node", "identity", "01", "P-256");
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
    ROWS_OF(modes, it_is_signed)
    ROWS_TEST(it_is_signed_while_the_caller_waits);
    ROWS_TEST(an_algorithm_of_other_keys_is_refused);
    ROWS_TEST(all_are_signed_at_once);
    ROWS_TEST(a_hang_is_answered_in_time);
    ROWS_TEST(a_breaker_that_opens_answers_all);
    ROWS_TEST(a_signature_at_once_closes_the_breaker);
    ROWS_TEST(too_many_are_refused_at_once);
    ROWS_TEST(who_cancels_waits_for_nothing);
    ROWS_TEST(what_was_answered_is_cancelled_in_vain);
    ROWS_TEST(a_shut_key_answers_all);
    ROWS_TEST(a_handle_is_freed_before_the_answer);
    ROWS_TEST(a_call_back_may_start_another);
    ROWS_TEST(a_slow_call_back_keeps_no_session);
    ROWS_TEST(call_backs_that_stop_stop_no_caller);
    ROWS_TEST(a_call_back_may_wait_for_another);
    ROWS_TEST(each_start_is_answered_once);
    return ROWS_RUN("start", start, stop);
}
