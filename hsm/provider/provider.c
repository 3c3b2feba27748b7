/* SPDX-License-Identifier: Apache-2.0
 * Init, the algorithm tables, errors. */
#include "provider/provider_private.h"

#include <stdarg.h>
#include <stdlib.h>

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#define FROM_US PROVIDER_FROM_US
#define FROM_DER FROM_US ",input=der,structure=" REFERENCE_STRUCTURE

static const OSSL_ALGORITHM keymgmts[] = {
    { "RSA:rsaEncryption:1.2.840.113549.1.1.1", FROM_US, keymgmt_rsa,
      "RSA keys in PKCS#11 tokens" },
    { "EC:id-ecPublicKey:1.2.840.10045.2.1", FROM_US, keymgmt_ec, "EC keys in PKCS#11 tokens" },
    { "ED25519:1.3.101.112", FROM_US, keymgmt_ed25519, "Ed25519 keys in PKCS#11 tokens" },
    { NULL, NULL, NULL, NULL },
};
static const OSSL_ALGORITHM signatures[] = {
    { "RSA:rsaEncryption:1.2.840.113549.1.1.1", FROM_US, signature_rsa, NULL },
    { "ECDSA", FROM_US, signature_ecdsa, NULL },
    { "ED25519:1.3.101.112", FROM_US, signature_ed25519, NULL },
    { NULL, NULL, NULL, NULL },
};
/* Two stages: one that went from PEM straight to a key crashes OpenSSL's file store, which hands
 * the object to the default provider. */
static const OSSL_ALGORITHM decoders[] = {
    { "DER", FROM_US ",input=pem", decoder_pem, NULL },
    { "RSA", FROM_DER, decoder_rsa, NULL },
    { "EC", FROM_DER, decoder_ec, NULL },
    { "ED25519", FROM_DER, decoder_ed25519, NULL },
    { NULL, NULL, NULL, NULL },
};

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
    static const char *const types[] = {
        [KEY_RSA] = "RSA", [KEY_EC] = "EC", [KEY_ED25519] = "ED25519"
    };
    int object_type = OSSL_OBJECT_PKEY;
    const char *type = types[key->kind];
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

static enum reference_answer resolve(struct provider *provider, const unsigned char *der,
                                     size_t len, bool labelled, struct hsm_key **ret_key)
{
    ERR_set_mark();
    enum reference_answer answer = reference_resolve(der, len, ret_key);
    ERR_pop_to_mark();
    if (answer == REFERENCE_UNKNOWN || (answer == REFERENCE_FOREIGN && labelled)) {
        raise_error(provider, RAISE_REFERENCE_UNKNOWN,
                    "references are valid only in the process that issued them");
        return REFERENCE_UNKNOWN;
    }
    return answer;
}

static const struct reference_format private_references = { .pem_label = REFERENCE_PEM_LABEL,
                                                            .structure = REFERENCE_STRUCTURE,
                                                            .decoders = decoders,
                                                            .resolve = resolve };

static OSSL_FUNC_provider_query_operation_fn query;
static const OSSL_ALGORITHM *query(void *ctx, int operation, int *no_cache)
{
    const struct provider *provider = ctx;
    *no_cache = 0;
    switch (operation) {
    case OSSL_OP_KEYMGMT:
        return keymgmts;
    case OSSL_OP_SIGNATURE:
        return signatures;
    case OSSL_OP_DECODER:
        return provider->format->decoders;
    case OSSL_OP_STORE:
        return provider->format->stores;
    default:
        return NULL;
    }
}

static OSSL_FUNC_provider_get_params_fn get_params;
static int get_params(void *ctx, OSSL_PARAM params[])
{
    (void)ctx;
    OSSL_PARAM *p = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_NAME);
    if (p != NULL && OSSL_PARAM_set_utf8_ptr(p, "nodekey: keys in PKCS#11 tokens") != 1) {
        return 0;
    }
    p = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_VERSION);
    if (p != NULL && OSSL_PARAM_set_utf8_ptr(p, NODEKEY_VERSION) != 1) {
        return 0;
    }
    p = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_STATUS);
    return p == NULL || OSSL_PARAM_set_int(p, 1) == 1;
}

static OSSL_FUNC_provider_gettable_params_fn gettable_params;
static const OSSL_PARAM *gettable_params(void *ctx)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_DEFN(OSSL_PROV_PARAM_NAME, OSSL_PARAM_UTF8_PTR, NULL, 0),
        OSSL_PARAM_DEFN(OSSL_PROV_PARAM_VERSION, OSSL_PARAM_UTF8_PTR, NULL, 0),
        OSSL_PARAM_DEFN(OSSL_PROV_PARAM_STATUS, OSSL_PARAM_INTEGER, NULL, 0),
        OSSL_PARAM_END,
    };
    (void)ctx;
    return params;
}

static OSSL_FUNC_provider_get_reason_strings_fn get_reason_strings;
static const OSSL_ITEM *get_reason_strings(void *ctx)
{
    (void)ctx;
    return raise_reasons;
}

/* No PKCS#11 call: the module may already be gone when the process exits. */
static OSSL_FUNC_provider_teardown_fn teardown;
static void teardown(void *ctx)
{
    struct provider *provider = ctx;
    OSSL_PROVIDER_unload(provider->basics);
    OSSL_LIB_CTX_free(provider->libctx);
    free(provider);
}

#define FN(id, fn)                                                                                 \
    {                                                                                              \
        id, (void (*)(void))(fn)                                                                   \
    }
static const OSSL_DISPATCH table[] = {
    FN(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query),
    FN(OSSL_FUNC_PROVIDER_GET_PARAMS, get_params),
    FN(OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, gettable_params),
    FN(OSSL_FUNC_PROVIDER_GET_REASON_STRINGS, get_reason_strings),
    FN(OSSL_FUNC_PROVIDER_TEARDOWN, teardown),
    { 0, NULL },
};

static void take_core_functions(struct provider *provider, const OSSL_DISPATCH *in)
{
    for (; in->function_id != 0; in++) {
        switch (in->function_id) {
        case OSSL_FUNC_CORE_GET_PARAMS:
            provider->get_params = OSSL_FUNC_core_get_params(in);
            break;
        case OSSL_FUNC_CORE_NEW_ERROR:
            provider->new_error = OSSL_FUNC_core_new_error(in);
            break;
        case OSSL_FUNC_CORE_VSET_ERROR:
            provider->set_error = OSSL_FUNC_core_vset_error(in);
            break;
        case OSSL_FUNC_CORE_SET_ERROR_DEBUG:
            provider->set_error_debug = OSSL_FUNC_core_set_error_debug(in);
            break;
        default:
            break;
        }
    }
}

int provider_start(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
                   void **ret_ctx, const struct reference_format *format,
                   provider_terms_reader *read_terms)
{
    struct provider *provider = calloc(1, sizeof(*provider));

    if (provider == NULL) {
        return 0;
    }
    provider->core = core;
    provider->format = format;
    provider->read_terms = read_terms;
    take_core_functions(provider, in);
    /* From the dispatch, or BIO_new_from_core_bio would return NULL. */
    provider->libctx = OSSL_LIB_CTX_new_from_dispatch(core, in);
    if (provider->libctx == NULL ||
        (provider->basics = OSSL_PROVIDER_load(provider->libctx, "default")) == NULL) {
        OSSL_LIB_CTX_free(provider->libctx);
        free(provider);
        return 0;
    }
    *out = table;
    *ret_ctx = provider;
    return 1;
}

int provider_init(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
                  void **ret_ctx)
{
    return provider_start(core, in, out, ret_ctx, &private_references, NULL);
}
