/* SPDX-License-Identifier: Apache-2.0
 * The life of a key, once it is open: shut, released. */
#include "key/key.h"

#include <stdlib.h>

#include <openssl/rsa.h>

#include "base/clock.h"
#include "base/exit_gate.h"
#include "base/fork.h"
#include "base/report.h"
#include "wait/bounded_call.h"

bool key_prepare(const struct hsm_key *key, const struct scheme *scheme, const unsigned char *input,
                 size_t len, struct to_sign *ret_to_sign)
{
    if (key->bare_pss && scheme->padding == RSA_PKCS1_PSS_PADDING) {
        return scheme_prepare_bare_pss(key->public_key, scheme, input, len, ret_to_sign);
    }
    return scheme_prepare(key->public_key, scheme, input, len, ret_to_sign);
}

/* The token goes back, once: by who shuts, or by the use that he could not wait for. */
static void tidy_up(struct hsm_key *key)
{
    if (atomic_exchange(&key->left_behind, false)) {
        token_leave(key->token);
        key->token = NULL;
        hsm_key_unref(key);
    }
}

void key_end_use(struct hsm_key *key)
{
    if (atomic_fetch_sub(&key->uses, 1) == 1) {
        tidy_up(key);
    }
}

static void await_uses(struct hsm_key *key, long long deadline_ms, unsigned wait_ms)
{
    unsigned uses = 0;

    while ((uses = atomic_load(&key->uses)) > 0 && clock_now_ms() < deadline_ms) {
        clock_sleep_ms(1);
    }
    if (uses > 0 && key->token != NULL) {
        log_line(&key->host, NK_LOG_ERROR,
                 "token %s: a signature has not come back for %u ms; it is left behind, logged in",
                 key->label, wait_ms);
    }
}

static void give_back(struct hsm_key *key)
{
    if (key->token == NULL) {
        return;
    }
    key_ref(key); /* for tidy_up */
    atomic_store(&key->left_behind, true);
    if (atomic_load(&key->uses) == 0) { /* else its end sees the mark */
        tidy_up(key);
    }
}

/* --- the way back, which may hang, too --- */

struct leaving {
    struct bounded_call bounded; /* first: the thread knows no more */
    struct hsm_key *key;
};

static void leave(struct hsm_key *key)
{
    if (key->inbound_key != NULL) {
        give_back(key->inbound_key);
    }
    give_back(key);
}

static void run_leaving(struct bounded_call *bounded)
{
    leave(((struct leaving *)bounded)->key);
}

static void free_leaving(struct bounded_call *bounded)
{
    hsm_key_unref(((struct leaving *)bounded)->key);
    free(bounded);
}

static void leave_by(struct hsm_key *key, long long deadline_ms, unsigned wait_ms)
{
    struct leaving *leaving = calloc(1, sizeof(*leaving));

    if (leaving == NULL) {
        leave(key);
        return;
    }
    nk_error err = { .struct_size = sizeof(err) };
    leaving->bounded = (struct bounded_call){ .run = run_leaving,
                                              .free = free_leaving,
                                              .where = token_module(key->token)->path };
    leaving->key = key;
    key_ref(key);
    bounded_call_init(&leaving->bounded);
    long long left_ms = deadline_ms - clock_now_ms();
    enum bounded_call_end end =
        bounded_call_run(&leaving->bounded, left_ms > 0 ? (unsigned)left_ms : 0, true);
    if (end == BOUNDED_CALL_LEFT) {
        bounded_call_report(&leaving->bounded, end, wait_ms, &err);
        log_line(&key->host, NK_LOG_ERROR, "token %s: close: %s", key->label, err.text);
    } else if (end != BOUNDED_CALL_DONE) { /* no thread of its own: it ends when it ends */
        leave(key);
    }
    bounded_call_drop(&leaving->bounded);
}

void hsm_key_shut(struct hsm_key *key, unsigned wait_ms)
{
    atomic_store(&key->shut, true);
    if (key->inbound_key != NULL) {
        atomic_store(&key->inbound_key->shut, true);
    }
    if (fork_is_foreign()) {
        return; /* nothing here is ours to give back, and who holds the locks is not here */
    }
    long long deadline_ms = clock_now_ms() + wait_ms;
    reference_remove(key);
    if (key->inbound_key != NULL) {
        reference_remove(key->inbound_key);
        await_uses(key->inbound_key, deadline_ms, wait_ms);
    }
    await_uses(key, deadline_ms, wait_ms);
    if (key->token != NULL) {
        leave_by(key, deadline_ms, wait_ms);
    }
}

void key_renew(struct hsm_key *key)
{
    atomic_store(&key->uses, 0);
    pthread_mutex_init(&key->lock, NULL);
    key->generation = 0;
    key->host = (nk_host){ .struct_size = 0 };
}

void key_ref(struct hsm_key *key)
{
    atomic_fetch_add(&key->refs, 1);
}

void hsm_key_unref(struct hsm_key *key)
{
    if (key == NULL || atomic_fetch_sub(&key->refs, 1) != 1) {
        return;
    }
    hsm_key_unref(key->inbound_key);
    EVP_PKEY_free(key->public_key);
    p11_kit_uri_free(key->uri);
    pthread_mutex_destroy(&key->lock);
    free(key->uri_text);
    free(key);
}

unsigned hsm_forks(void)
{
    return fork_count();
}

bool hsm_enter(void)
{
    return exit_gate_enter();
}

void hsm_leave(void)
{
    exit_gate_leave();
}

const char *hsm_key_custody(const struct hsm_key *key)
{
    return key->hardware ? "hardware, as the module claims" : "software";
}

const char *hsm_key_token_label(const struct hsm_key *key)
{
    return key->label;
}

unsigned hsm_key_preflight_us(const struct hsm_key *key)
{
    return key->preflight_us;
}

unsigned long long hsm_key_inbound_signatures(const struct hsm_key *key)
{
    return atomic_load(&key->inbound_key->signatures);
}
