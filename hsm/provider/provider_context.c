/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/provider_context.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/err.h>
#include <openssl/params.h>

#define TEXTS 16
#define TEXT_BYTES 201 /* ERR_error_string's 256, less its own words */
#define RAISE_TEXT 0x100u
#define TEXT(i)                                                                                    \
    {                                                                                              \
        RAISE_TEXT + (i), texts[i]                                                                 \
    }

/* Programs such as mosquitto print the string of a code alone, which OpenSSL has by pointer. Each
 * text is written once, before its code is first raised. */
static char texts[TEXTS][TEXT_BYTES];
static atomic_uint states[TEXTS]; /* no lock, which a child could find held */
enum { FREE, TAKEN, WRITTEN };

const OSSL_ITEM raise_reasons[] = {
    { RAISE_REFERENCE_UNKNOWN, "key reference of another process or of a closed instance" },
    { RAISE_SIGNATURE_FAILED, "the token did not sign" },
    { RAISE_PARAMETER, "digest, padding or salt that the token key cannot do" },
    { RAISE_PUBLIC_ONLY, "only the public half of the key is here" },
    { RAISE_INTERNAL, "internal error" },
    { RAISE_KEY_NOT_OPENED, "what the URI names was not opened" },
    TEXT(0),
    TEXT(1),
    TEXT(2),
    TEXT(3),
    TEXT(4),
    TEXT(5),
    TEXT(6),
    TEXT(7),
    TEXT(8),
    TEXT(9),
    TEXT(10),
    TEXT(11),
    TEXT(12),
    TEXT(13),
    TEXT(14),
    TEXT(15),
    { 0, NULL },
};

/* The code whose string is this text, cut where one line of OpenSSL's would not hold it; 0: all
 * are taken. */
static uint32_t code_of_text(const char *text)
{
    char shown[TEXT_BYTES];
    uint32_t code = 0;

    if (snprintf(shown, sizeof(shown), "%s", text) >= (int)sizeof(shown)) {
        memcpy(shown + sizeof(shown) - sizeof("..."), "...", sizeof("..."));
    }
    for (uint32_t i = 0; i < TEXTS && code == 0; i++) {
        unsigned state = FREE;
        if (atomic_compare_exchange_strong(&states[i], &state, TAKEN)) {
            memcpy(texts[i], shown, sizeof(shown));
            atomic_store(&states[i], WRITTEN);
            state = WRITTEN;
        }
        code = state == WRITTEN && strcmp(texts[i], shown) == 0 ? RAISE_TEXT + i : 0;
    }
    return code;
}

static void put_error(const struct provider *provider, uint32_t code, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    provider->new_error(provider->core);
    if (provider->set_error_debug != NULL) {
        provider->set_error_debug(provider->core, "nodekey", 0, "provider");
    }
    provider->set_error(provider->core, code, fmt, args);
    va_end(args);
}

int raise_error(const struct provider *provider, enum raise_reason reason, const char *fmt, ...)
{
    char text[NK_ERROR_TEXT_BYTES];
    va_list args;

    if (provider->new_error == NULL || provider->set_error == NULL) {
        return 0;
    }
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    bool says_why = reason == RAISE_KEY_NOT_OPENED || reason == RAISE_SIGNATURE_FAILED;
    uint32_t code = says_why ? code_of_text(text) : 0;
    if (code == 0) {
        put_error(provider, (uint32_t)reason, "%s", text);
    } else if (strlen(text) < TEXT_BYTES) {
        put_error(provider, code, NULL);
    } else {
        put_error(provider, code, "%s", text);
    }
    return 0;
}

/* As programs name them, and as libssl does: OpenSSL's first name. */
static const struct {
    const char *name;
    const char *first;
} digest_names[PROVIDER_DIGESTS] = {
    { "SHA256", "SHA2-256" },
    { "SHA384", "SHA2-384" },
    { "SHA512", "SHA2-512" },
};

void provider_fetch_digests(struct provider *provider)
{
    ERR_set_mark();
    for (size_t i = 0; i < PROVIDER_DIGESTS; i++) {
        provider->digests[i] = EVP_MD_fetch(provider->libctx, digest_names[i].name, NULL);
    }
    ERR_pop_to_mark();
}

void provider_free_digests(struct provider *provider)
{
    for (size_t i = 0; i < PROVIDER_DIGESTS; i++) {
        EVP_MD_free(provider->digests[i]);
    }
}

EVP_MD *provider_digest(const struct provider *provider, const char *name)
{
    for (size_t i = 0; i < PROVIDER_DIGESTS; i++) {
        if (provider->digests[i] != NULL &&
            (strcmp(name, digest_names[i].name) == 0 || strcmp(name, digest_names[i].first) == 0)) {
            return EVP_MD_up_ref(provider->digests[i]) == 1 ? provider->digests[i] : NULL;
        }
    }
    return EVP_MD_fetch(provider->libctx, name, NULL);
}

void provider_key_free(struct provider_key *key)
{
    if (key == NULL) {
        return;
    }
    EVP_PKEY_free(key->public_key);
    hsm_key_unref(key->key);
    free(key);
}

struct provider_key *provider_key_new(struct provider *provider, struct hsm_key *key)
{
    struct provider_key *made = calloc(1, sizeof(*made));

    if (made == NULL) {
        hsm_key_unref(key);
        return NULL;
    }
    made->provider = provider;
    made->key = key;
    if (key != NULL) {
        EVP_PKEY_up_ref(key->public_key);
        made->public_key = key->public_key;
    }
    return made;
}

int provider_give_key(struct provider *provider, struct hsm_key *key, OSSL_CALLBACK *callback,
                      void *arg)
{
    int object_type = OSSL_OBJECT_PKEY;
    const char *type = key->kind->type;
    AUTO(provider_key_free) struct provider_key *made = provider_key_new(provider, key);
    if (made == NULL) {
        return raise_error(provider, RAISE_INTERNAL, "out of memory");
    }
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &object_type),
        OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, (char *)(uintptr_t)type, 0),
        OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_REFERENCE, &made, sizeof(void *)),
        OSSL_PARAM_END,
    };
    return callback(params, arg);
}
