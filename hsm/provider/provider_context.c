/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/provider_context.h"

#include <stdarg.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/params.h>

const OSSL_ITEM raise_reasons[] = {
    { RAISE_REFERENCE_UNKNOWN, "key reference of another process or of a closed instance" },
    { RAISE_SIGNATURE_FAILED, "the token did not sign" },
    { RAISE_PARAMETER, "digest, padding or salt that the token key cannot do" },
    { RAISE_PUBLIC_ONLY, "only the public half of the key is here" },
    { RAISE_INTERNAL, "internal error" },
    { RAISE_KEY_NOT_OPENED, "what the URI names was not opened" },
    { 0, NULL },
};

int raise_error(const struct provider *provider, enum raise_reason reason, const char *fmt, ...)
{
    va_list args;

    if (provider->new_error == NULL || provider->set_error == NULL) {
        return 0;
    }
    va_start(args, fmt);
    provider->new_error(provider->core);
    if (provider->set_error_debug != NULL) {
        provider->set_error_debug(provider->core, "nodekey", 0, "provider");
    }
    provider->set_error(provider->core, (uint32_t)reason, fmt, args);
    va_end(args);
    return 0;
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
