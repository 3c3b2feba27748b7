/* SPDX-License-Identifier: Apache-2.0
 * The life of a key, once it is open: named by references, shut, released. */
#include "key/key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/clock.h"
#include "base/exit_gate.h"
#include "base/fork.h"
#include "base/report.h"
#include "wait/bounded_call.h"
#include "wait/signers.h"

static void openssl_free(unsigned char *bytes)
{
    OPENSSL_free(bytes);
}
typedef unsigned char *bytes_ptr;
DEFINE_AUTO(bytes_ptr, openssl_free);

/* --- what references name --- */

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct hsm_key *registry; /* guarded by registry_lock; holds no references */

static void renew_all(void)
{
    for (struct hsm_key *key = registry; key != NULL; key = key->next) {
        key_renew(key);
    }
}

FORK_PART(.lock = &registry_lock, .renew = renew_all);

void key_register(struct hsm_key *key)
{
    pthread_mutex_lock(&registry_lock);
    key->next = registry;
    registry = key;
    pthread_mutex_unlock(&registry_lock);
}

void key_unregister(struct hsm_key *key)
{
    pthread_mutex_lock(&registry_lock);
    for (struct hsm_key **link = &registry; *link != NULL; link = &(*link)->next) {
        if (*link == key) {
            *link = key->next;
            break;
        }
    }
    pthread_mutex_unlock(&registry_lock);
}

struct hsm_key *key_by_handle(const unsigned char handle[KEY_HANDLE_BYTES])
{
    pthread_mutex_lock(&registry_lock);
    struct hsm_key *key = registry;
    while (key != NULL && CRYPTO_memcmp(key->handle, handle, KEY_HANDLE_BYTES) != 0) {
        key = key->next;
    }
    if (key != NULL) {
        hsm_key_ref(key);
    }
    pthread_mutex_unlock(&registry_lock);
    return key;
}

nk_status key_digest_public(struct hsm_key *key, nk_error *err)
{
    AUTO(openssl_free) bytes_ptr spki = NULL;
    int len = i2d_PUBKEY(key->public_key, &spki);

    return len > 0 && EVP_Digest(spki, (size_t)len, key->spki_sha256, NULL, EVP_sha256(), NULL) == 1
               ? NK_OK
               : report_openssl(err, NK_E_INTERNAL, "encode the public key");
}

nk_status key_make_inbound(struct hsm_key *key, nk_error *err)
{
    struct hsm_key *inbound_key = malloc(sizeof(*inbound_key));

    if (inbound_key == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    memcpy(inbound_key, key, sizeof(*inbound_key)); /* proven and found like `key` */
    atomic_init(&inbound_key->refs, 1);
    atomic_init(&inbound_key->signatures, 0);
    pthread_mutex_init(&inbound_key->lock, NULL);
    inbound_key->inbound = true;
    inbound_key->uri = NULL;
    EVP_PKEY_up_ref(inbound_key->public_key);
    inbound_key->token = token_share(key->token);
    key->inbound_key = inbound_key;
    inbound_key->uri_text = strdup(key->uri_text);
    if (inbound_key->uri_text == NULL ||
        RAND_bytes(inbound_key->handle, sizeof(inbound_key->handle)) != 1) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    return uri_parse(inbound_key->uri_text, &inbound_key->uri, err);
}

/* --- the way back --- */

static void give_token_back(struct hsm_key *key)
{
    token_leave(key->token);
    key->token = NULL;
    hsm_key_unref(key);
}

void key_end_use(struct hsm_key *key)
{
    if (rundown_end(&key->uses)) {
        give_token_back(key);
    }
}

static void await_uses(struct hsm_key *key, long long deadline_ms, unsigned wait_ms)
{
    if (rundown_await(&key->uses, deadline_ms) > 0 && key->token != NULL) {
        log_line(&key->host, NK_LOG_ERROR,
                 "token %s: a signature has not come back for %u ms; it is left behind, logged in",
                 key->label, wait_ms);
    }
}

static void leave_to_uses(struct hsm_key *key)
{
    if (key->token == NULL) {
        return;
    }
    hsm_key_ref(key); /* give_token_back releases it */
    if (rundown_leave(&key->uses)) {
        give_token_back(key);
    }
}

/* --- the same by a thread of its own, since it may hang --- */

struct leaving {
    struct bounded_call bounded; /* first: the thread knows no more */
    struct hsm_key *key;
};

static void leave_token(struct hsm_key *key)
{
    if (key->inbound_key != NULL) {
        leave_to_uses(key->inbound_key);
    }
    leave_to_uses(key);
}

static void run_leaving(struct bounded_call *bounded)
{
    leave_token(((struct leaving *)bounded)->key);
}

static void clear_leaving(struct bounded_call *bounded)
{
    hsm_key_unref(((struct leaving *)bounded)->key);
}

static void leave_by_thread(struct hsm_key *key, long long deadline_ms, unsigned wait_ms)
{
    struct leaving *leaving = bounded_call_new(sizeof(*leaving), run_leaving, clear_leaving);

    if (leaving == NULL) {
        leave_token(key);
        return;
    }
    nk_error err = { .struct_size = sizeof(err) };
    leaving->bounded.where = token_module(key->token)->path;
    leaving->key = key;
    hsm_key_ref(key);
    long long left_ms = deadline_ms - clock_now_ms();
    enum bounded_call_end end =
        bounded_call_run(&leaving->bounded, left_ms > 0 ? (unsigned)left_ms : 0, true);
    if (end == BOUNDED_CALL_LEFT) {
        bounded_call_report(&leaving->bounded, end, wait_ms, &err);
        log_line(&key->host, NK_LOG_ERROR, "token %s: close: %s", key->label, err.text);
    } else if (end != BOUNDED_CALL_DONE) { /* no thread can be had: leaving ends when it ends */
        leave_token(key);
    }
    bounded_call_drop(&leaving->bounded);
}

/* Whoever is to be called back need not wait for what is no use any more. */
static void call_off_starts(const struct hsm_key *key)
{
    if (key->token != NULL && key->signers != NULL) {
        signers_call_off_of(key->signers, key);
    }
}

void hsm_key_shut(struct hsm_key *key, unsigned wait_ms)
{
    atomic_store(&key->shut, true);
    if (key->inbound_key != NULL) {
        atomic_store(&key->inbound_key->shut, true);
    }
    if (fork_is_foreign()) {
        return; /* a foreign child has nothing to give back, and the holders of the locks are not
                   here */
    }
    long long deadline_ms = clock_now_ms() + wait_ms;
    key_unregister(key);
    call_off_starts(key);
    if (key->inbound_key != NULL) {
        key_unregister(key->inbound_key);
        call_off_starts(key->inbound_key);
        await_uses(key->inbound_key, deadline_ms, wait_ms);
    }
    await_uses(key, deadline_ms, wait_ms);
    if (key->token != NULL) {
        leave_by_thread(key, deadline_ms, wait_ms);
    }
}

void key_renew(struct hsm_key *key)
{
    rundown_renew(&key->uses);
    pthread_mutex_init(&key->lock, NULL);
    key->generation = 0;
    key->host = (nk_host){ .struct_size = 0 };
}

void hsm_key_ref(struct hsm_key *key)
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

bool hsm_key_unmet(const EVP_PKEY *public_key, char text[HSM_UNMET_BYTES])
{
    const struct key_kind *kind = key_kind_of(public_key);

    if (kind == NULL || kind->unmet == NULL) {
        return false;
    }
    snprintf(text, HSM_UNMET_BYTES, "%s keys: %s", kind->name, kind->unmet);
    return true;
}

bool hsm_key_is_direct(const struct hsm_key *key)
{
    return key->sign_timeout_ms == 0;
}

unsigned hsm_key_preflight_us(const struct hsm_key *key)
{
    return key->preflight_us;
}

unsigned long long hsm_key_inbound_signatures(const struct hsm_key *key)
{
    return atomic_load(&key->inbound_key->signatures);
}
