/* SPDX-License-Identifier: Apache-2.0 */
#include "persistent.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "clock.h"
#include "key_public.h"
#include "provider_config.h"
#include "report.h"

#define AWAY_WAIT_MS 2000
#define AWAY_STEP_MS 30

#define FROM_DER PROVIDER_FROM_US ",input=der,structure=" PERSISTENT_STRUCTURE

typedef struct persistent_st {
    ASN1_VISIBLESTRING *description;
    ASN1_UTF8STRING *uri;
} PERSISTENT;

DECLARE_ASN1_FUNCTIONS(PERSISTENT)
ASN1_SEQUENCE(PERSISTENT) = {
    ASN1_SIMPLE(PERSISTENT, description, ASN1_VISIBLESTRING),
    ASN1_SIMPLE(PERSISTENT, uri, ASN1_UTF8STRING),
} ASN1_SEQUENCE_END(PERSISTENT)
IMPLEMENT_ASN1_FUNCTIONS(PERSISTENT)

DEFINE_AUTO(PERSISTENT *, PERSISTENT_free);
DEFINE_AUTO(EVP_PKEY *, EVP_PKEY_free);
DEFINE_AUTO(char *, free);
DEFINE_AUTO(struct provider_terms *, provider_terms_free);

/* --- the keys of this process --- */

struct opened {
    struct opened *next;
    char *section; /* under which terms */
    char *uri;
    struct hsm_key *key;
};

static pthread_mutex_t opened_lock = PTHREAD_MUTEX_INITIALIZER;
static struct opened *opened; /* guarded by opened_lock; never shrinks */

/* The thread that held the lock is not in the child; what it was about to add is not there yet. */
static void enter_child(void)
{
    pthread_mutex_init(&opened_lock, NULL);
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, enter_child);
}

/* --- what the log of a host would say --- */

static _Thread_local char failure[NK_ERROR_TEXT_BYTES];

static void remember(void *unused, int32_t level, const char *line)
{
    (void)unused;
    if (level == NK_LOG_ERROR) {
        snprintf(failure, sizeof(failure), "%s", line);
    }
}

static const nk_host host = { .struct_size = sizeof(host), .log = remember };

static void raise_failure(const struct provider *provider)
{
    char text[NK_ERROR_TEXT_BYTES];

    if (failure[0] != '\0') {
        provider_terms_words(provider, failure, text, sizeof(text));
        raise_error(provider, RAISE_SIGNATURE_FAILED, "%s", text);
        failure[0] = '\0';
    }
}

/* --- opening --- */

static nk_status open_on(const struct provider_terms *terms, const char *uri,
                         struct hsm_key **ret_key, nk_error *err)
{
    const struct hsm_key_request request = {
        .module = terms->module,
        .uri = uri,
        .pin = { .kind = terms->pin_kind, .where = terms->pin_where, .fd = -1 },
        .allow_extractable = terms->allow_extractable,
        .allow_imported = terms->allow_imported,
        .require_hardware = terms->require_hardware,
        .max_sessions = terms->max_sessions,
        .max_waiting_inbound = terms->max_waiting_inbound,
        .login_timeout_ms = terms->login_timeout_ms,
        .sign_timeout_ms = terms->sign_timeout_ms,
        .state_dir = terms->state_dir,
        .host = &host,
        .for_provider_module = true,
    };
    struct token *token = NULL;
    AUTO(EVP_PKEY_free) EVP_PKEY *public_key = NULL;
    nk_status status = key_public_open(&request, &token, &public_key, err);
    if (status != NK_OK) {
        return status;
    }
    status = hsm_key_open(&request, public_key, ret_key, err);
    token_leave(token); /* the key has it */
    return status;
}

/* Nothing was sent to it then: a login that failed must not be tried again. */
static bool is_away(const nk_error *err)
{
    return err->status == NK_E_TOKEN &&
           (err->native_kind == NK_NATIVE_NONE || err->native == CKR_TOKEN_NOT_PRESENT);
}

/* Programs of one server start at the same moment, and SoftHSM does not show a token while another
 * process logs in to it (seen in one of five starts when four begin together). */
static nk_status open_patiently(const struct provider_terms *terms, const char *uri,
                                struct hsm_key **ret_key, nk_error *err)
{
    long long deadline = clock_now_ms() + AWAY_WAIT_MS;
    nk_error last = { .struct_size = sizeof(last) };
    nk_status status = open_on(terms, uri, ret_key, &last);

    while (is_away(&last) && clock_now_ms() < deadline) {
        unsigned char apart = 0; /* so that those who collided do not do so again */
        (void)RAND_bytes(&apart, sizeof(apart));
        clock_sleep_ms(AWAY_STEP_MS + apart);
        last = (nk_error){ .struct_size = sizeof(last) };
        status = open_on(terms, uri, ret_key, &last);
    }
    return status == NK_OK ? NK_OK : report_copy(err, &last);
}

static nk_status open_key(const struct provider *provider, const char *uri,
                          struct hsm_key **ret_key, nk_error *err)
{
    AUTO(provider_terms_free) struct provider_terms *terms = NULL;
    nk_status status = provider_terms_read(provider, uri, &terms, err);

    return status == NK_OK ? open_patiently(terms, uri, ret_key, err) : status;
}

static struct opened *find(const char *section, const char *uri)
{
    struct opened *one = opened;

    while (one != NULL && (strcmp(one->section, section) != 0 || strcmp(one->uri, uri) != 0)) {
        one = one->next;
    }
    return one;
}

/* A key made anew under the same name comes with a certificate of its own: a server that reloads
 * both must get it. */
static bool is_current(struct opened *one)
{
    AUTO(EVP_PKEY_free) EVP_PKEY *now = key_public_now(one->key);

    return now == NULL || EVP_PKEY_eq(now, one->key->public_key) == 1;
}

/* Before its namesakes, which keys of the program may still use. Takes over `key`. */
static nk_status keep(const char *section, const char *uri, struct hsm_key *key, nk_error *err)
{
    struct opened *one = calloc(1, sizeof(*one));

    if (one != NULL) {
        one->section = strdup(section);
        one->uri = strdup(uri);
        one->key = key;
    }
    if (one == NULL || one->section == NULL || one->uri == NULL) {
        hsm_key_shut(key, 0);
        hsm_key_unref(key);
        if (one != NULL) {
            free(one->section);
            free(one->uri);
        }
        free(one);
        return report(err, NK_E_NOMEM, "out of memory");
    }
    one->next = opened;
    opened = one;
    return NK_OK;
}

/* Under opened_lock. */
static nk_status find_or_open(const struct provider *provider, const char *section, const char *uri,
                              bool look, struct hsm_key **ret_key, nk_error *err)
{
    struct opened *one = find(section, uri);

    if (one == NULL || (look && !is_current(one))) {
        struct hsm_key *key = NULL;
        nk_status status = open_key(provider, uri, &key, err);
        if (status == NK_OK) {
            status = keep(section, uri, key, err);
        }
        if (status != NK_OK) {
            return status;
        }
        one = opened;
    }
    key_ref(one->key);
    *ret_key = one->key;
    return NK_OK;
}

struct hsm_key *persistent_key(struct provider *provider, const char *uri, bool look)
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
    nk_status status = find_or_open(provider, section, uri, look, &key, &err);
    pthread_mutex_unlock(&opened_lock);
    ERR_pop_to_mark();
    if (status != NK_OK) {
        persistent_raise(provider, &err);
        return NULL;
    }
    return key;
}

int persistent_raise(struct provider *provider, const nk_error *err)
{
    char text[NK_ERROR_TEXT_BYTES];

    provider_terms_words(provider, err->text, text, sizeof(text));
    return raise_error(provider, RAISE_KEY_NOT_OPENED, "%s", text);
}

/* --- the DER --- */

/* Told by the first bytes: parsing an ordinary private key would leave parts of it on the heap. */
static bool looks_like_one(const unsigned char *der, size_t len)
{
    static const char description[] = PERSISTENT_DESCRIPTION;
    const size_t description_len = sizeof(description) - 1;
    const unsigned char *at = der;
    long body_len = 0;
    int tag = 0;
    int tag_class = 0;

    return ASN1_get_object(&at, &body_len, &tag, &tag_class, (long)len) == V_ASN1_CONSTRUCTED &&
           tag == V_ASN1_SEQUENCE && body_len > (long)description_len + 2 &&
           at[0] == V_ASN1_VISIBLESTRING && at[1] == description_len &&
           memcmp(at + 2, description, description_len) == 0;
}

/* NULL: damaged. Owned: free. */
static char *uri_in(const unsigned char *der, size_t len)
{
    const unsigned char *at = der;
    AUTO(PERSISTENT_free) PERSISTENT *persistent = d2i_PERSISTENT(NULL, &at, (long)len);

    if (persistent == NULL || at != der + len) {
        return NULL;
    }
    const char *uri = (const char *)ASN1_STRING_get0_data(persistent->uri);
    size_t uri_len = (size_t)ASN1_STRING_length(persistent->uri);
    return memchr(uri, '\0', uri_len) == NULL ? strndup(uri, uri_len) : NULL;
}

static enum reference_answer damaged(struct provider *provider)
{
    raise_error(provider, RAISE_KEY_NOT_OPENED,
                "this PEM is no reference that says \"" PERSISTENT_DESCRIPTION
                "\" and a URI; write it again");
    return REFERENCE_UNKNOWN;
}

static enum reference_answer resolve(struct provider *provider, const unsigned char *der,
                                     size_t len, bool labelled, struct hsm_key **ret_key)
{
    ERR_set_mark();
    bool ours = looks_like_one(der, len);
    AUTO(free) char *uri = ours ? uri_in(der, len) : NULL;
    ERR_pop_to_mark();
    if (!ours && !labelled) {
        return REFERENCE_FOREIGN;
    }
    if (uri == NULL) {
        return damaged(provider);
    }
    /* Stage two comes once for each kind of key; stage one has looked. */
    *ret_key = persistent_key(provider, uri, labelled);
    return *ret_key != NULL ? REFERENCE_FOUND : REFERENCE_UNKNOWN;
}

static const OSSL_ALGORITHM decoders[] = {
    { "DER", PROVIDER_FROM_US ",input=pem", decoder_pem, NULL },
    { "RSA", FROM_DER, decoder_rsa, NULL },
    { "EC", FROM_DER, decoder_ec, NULL },
    { "ED25519", FROM_DER, decoder_ed25519, NULL },
    { NULL, NULL, NULL, NULL },
};
static const OSSL_ALGORITHM stores[] = {
    { "pkcs11", PROVIDER_FROM_US, store_pkcs11, "keys in PKCS#11 tokens, by URI" },
    { NULL, NULL, NULL, NULL },
};
const struct reference_format persistent_references = { .pem_label = PERSISTENT_PEM_LABEL,
                                                        .structure = PERSISTENT_STRUCTURE,
                                                        .decoders = decoders,
                                                        .stores = stores,
                                                        .resolve = resolve,
                                                        .raise_why = raise_failure };
