/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/uri_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "base/exit_gate.h"
#include "base/report.h"
#include "key/key_public.h"
#include "provider/order.h"
#include "provider/provider_config.h"

DEFINE_AUTO(EVP_PKEY *, EVP_PKEY_free);

struct opened {
    struct opened *next;
    char *section; /* under which terms */
    char *uri;
    char *module;
    unsigned wait_ms;
    struct hsm_key *key;
};

static pthread_mutex_t opened_lock = PTHREAD_MUTEX_INITIALIZER;
static struct opened *opened; /* guarded by opened_lock; never shrinks */

/* --- what the log of a host would say --- */

static _Thread_local char failure[NK_ERROR_TEXT_BYTES];

static void remember_failure(void *unused, int32_t level, const char *line)
{
    (void)unused;
    if (level == NK_LOG_ERROR) {
        snprintf(failure, sizeof(failure), "%s", line);
    }
}

static const nk_host host = { .struct_size = sizeof(host), .log = remember_failure };

void uri_raise_failure(const struct provider *provider)
{
    if (failure[0] != '\0') {
        raise_error(provider, RAISE_SIGNATURE_FAILED, "the token did not sign: %s", failure);
        failure[0] = '\0';
    }
}

/* --- forks --- */

/* The thread that held the lock is not in the child; what it was about to add is not there yet.
 * Keys have forgotten their hosts by now, but ours takes no lock. */
static void enter_child(void)
{
    pthread_mutex_init(&opened_lock, NULL);
    for (struct opened *one = opened; one != NULL; one = one->next) {
        one->key->host = host;
    }
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, enter_child);
}

/* --- opening --- */

static nk_status open_on_terms(const struct provider_terms *terms, const char *uri,
                               struct hsm_key **ret_key, nk_error *err)
{
    struct hsm_key_request request = terms->request;
    struct token *token = NULL;
    AUTO(EVP_PKEY_free) EVP_PKEY *public_key = NULL;
    request.uri = uri;
    request.host = &host;
    nk_status status = key_public_open(&request, &token, &public_key, err);
    if (status != NK_OK) {
        return status;
    }
    status = hsm_key_open(&request, public_key, ret_key, err);
    token_leave(token); /* the key has it */
    return status;
}

static void free_opened(struct opened *one)
{
    free(one->section);
    free(one->uri);
    free(one->module);
    free(one);
}
DEFINE_AUTO(struct opened *, free_opened);

static nk_status open_key(const struct provider *provider, const char *section, const char *uri,
                          struct opened **ret_one, nk_error *err)
{
    AUTO(free_opened) struct opened *one = calloc(1, sizeof(*one));
    AUTO(provider_terms_free) struct provider_terms *terms = NULL;
    nk_status status = provider_terms_read(provider, uri, &terms, err);
    if (status != NK_OK) {
        return status;
    }
    if (one == NULL || (one->section = strdup(section)) == NULL ||
        (one->uri = strdup(uri)) == NULL || (one->module = strdup(terms->request.module)) == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    one->wait_ms = terms->request.token.login_timeout_ms;
    status = open_on_terms(terms, uri, &one->key, err);
    if (status == NK_OK) {
        *ret_one = one;
        one = NULL;
    }
    return status;
}

static struct opened *find_opened_locked(const char *section, const char *uri)
{
    struct opened *one = opened;

    while (one != NULL && (strcmp(one->section, section) != 0 || strcmp(one->uri, uri) != 0)) {
        one = one->next;
    }
    return one;
}

/* A key made anew under the same name comes with a certificate of its own: a server that reloads
 * both must get the new key. */
static bool is_current(struct opened *one)
{
    AUTO(EVP_PKEY_free) EVP_PKEY *now = key_public_now(one->key, one->module, one->wait_ms);

    return now == NULL || EVP_PKEY_eq(now, one->key->public_key) == 1;
}

/* New keys come before their namesakes, which the program may still use. */
static nk_status find_or_open_locked(const struct provider *provider, const char *section,
                                     const char *uri, bool look, struct hsm_key **ret_key,
                                     nk_error *err)
{
    struct opened *one = find_opened_locked(section, uri);

    if (one == NULL || (look && !is_current(one))) {
        nk_status status = open_key(provider, section, uri, &one, err);
        if (status != NK_OK || one == NULL) {
            return status;
        }
        one->next = opened;
        opened = one;
    }
    hsm_key_ref(one->key);
    *ret_key = one->key;
    return NK_OK;
}

static struct hsm_key *find_key_inside(struct provider *provider, const char *uri, bool look)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    nk_error err = { .struct_size = sizeof(err) };
    struct hsm_key *key = NULL;
    AUTO(free) char *section = provider_section(provider);

    if (section == NULL) {
        raise_error(provider, RAISE_INTERNAL, "out of memory");
        return NULL;
    }
    (void)pthread_once(&once, watch_forks);
    ERR_set_mark();
    pthread_mutex_lock(&opened_lock);
    nk_status status = order_check(provider, &err);
    if (status == NK_OK) {
        status = find_or_open_locked(provider, section, uri, look, &key, &err);
    }
    pthread_mutex_unlock(&opened_lock);
    ERR_pop_to_mark();
    if (status != NK_OK) {
        uri_raise(provider, &err);
        return NULL;
    }
    return key;
}

/* The exit gate comes first: DER and URIs come here by ways of their own. */
struct hsm_key *uri_key(struct provider *provider, const char *uri, bool look)
{
    if (!exit_gate_enter()) {
        raise_error(provider, RAISE_INTERNAL, PROVIDER_NO_ENTRY);
        return NULL;
    }
    struct hsm_key *key = find_key_inside(provider, uri, look);
    exit_gate_leave();
    return key;
}

int uri_raise(struct provider *provider, const nk_error *err)
{
    return raise_error(provider, RAISE_KEY_NOT_OPENED, "%s", err->text);
}
