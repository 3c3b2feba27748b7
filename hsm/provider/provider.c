/* SPDX-License-Identifier: Apache-2.0
 * Init and the algorithm tables. */
#include "provider/provider_private.h"

#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include "provider/reference.h"

#define END                                                                                        \
    {                                                                                              \
        NULL, NULL, NULL, NULL                                                                     \
    }
#define KEYMGMT_ROW(id, type, more, ...)                                                           \
    { type more, PROVIDER_FROM_US, keymgmt_##id, type " keys in PKCS#11 tokens" },
#define SIGNATURE_ROW(id, type, more, name, more_names, fields, form)                              \
    { name more_names, PROVIDER_FROM_US, signature_##form, NULL },
const OSSL_ALGORITHM provider_keymgmts[] = { KEY_TYPES(KEYMGMT_ROW) END };
const OSSL_ALGORITHM provider_signatures[] = { KEY_TYPES(SIGNATURE_ROW) END };

static enum reference_answer resolve_private(struct provider *provider, const unsigned char *der,
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

static OSSL_FUNC_provider_query_operation_fn query_operation;
static const OSSL_ALGORITHM *query_operation(void *ctx, int operation, int *no_cache)
{
    const struct provider *provider = ctx;
    *no_cache = 0;
    switch (operation) {
    case OSSL_OP_KEYMGMT:
        return provider->format->keymgmts;
    case OSSL_OP_SIGNATURE:
        return provider->format->signatures;
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
static OSSL_FUNC_provider_teardown_fn free_provider;
static void free_provider(void *ctx)
{
    struct provider *provider = ctx;
    imported_free(provider->imported);
    provider_free_digests(provider);
    OSSL_PROVIDER_unload(provider->basics);
    OSSL_LIB_CTX_free(provider->libctx);
    free(provider);
}

#define FN(id, fn)                                                                                 \
    {                                                                                              \
        id, (void (*)(void))(fn)                                                                   \
    }
static const OSSL_DISPATCH table[] = {
    FN(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query_operation),
    FN(OSSL_FUNC_PROVIDER_GET_PARAMS, get_params),
    FN(OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, gettable_params),
    FN(OSSL_FUNC_PROVIDER_GET_REASON_STRINGS, get_reason_strings),
    FN(OSSL_FUNC_PROVIDER_TEARDOWN, free_provider),
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
        case OSSL_FUNC_BIO_READ_EX:
            provider->read_bio = OSSL_FUNC_BIO_read_ex(in);
            break;
        case OSSL_FUNC_BIO_GETS:
            provider->read_line = OSSL_FUNC_BIO_gets(in);
            break;
        case OSSL_FUNC_BIO_CTRL:
            provider->control_bio = OSSL_FUNC_BIO_ctrl(in);
            break;
        default:
            break;
        }
    }
}

/* Before our first call: the program's own are another thing, and its functions came by `in`. */
static bool is_crypto_whole(const struct provider *provider)
{
    nk_error why = { .struct_size = sizeof(why) };

    if (hsm_check_crypto(&why) != NK_OK) {
        (void)raise_error(provider, RAISE_INTERNAL, "%s", why.text);
        return false;
    }
    return true;
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
    if (!is_crypto_whole(provider)) {
        free(provider);
        return 0;
    }
    /* From the dispatch, or BIO_new_from_core_bio would return NULL. */
    provider->libctx = OSSL_LIB_CTX_new_from_dispatch(core, in);
    if (provider->libctx == NULL ||
        (provider->basics = OSSL_PROVIDER_load(provider->libctx, "default")) == NULL) {
        OSSL_LIB_CTX_free(provider->libctx);
        free(provider);
        return 0;
    }
    provider_fetch_digests(provider);
    *out = table;
    *ret_ctx = provider;
    return 1;
}

#define PROVIDER_OF_TYPE(id, type_, ...)                                                           \
    static const OSSL_ALGORITHM keymgmts_##id[] = { KEYMGMT_ROW(id, type_, __VA_ARGS__) END };     \
    static const OSSL_ALGORITHM signatures_##id[] = { SIGNATURE_ROW(id, type_, __VA_ARGS__) END }; \
    static const OSSL_ALGORITHM decoders_##id[] = {                                                \
        { type_, PROVIDER_FROM_US ",input=pem", decoder_pem, NULL }, END                           \
    };                                                                                             \
    static const struct reference_format references_##id = { .pem_label = REFERENCE_PEM_LABEL,     \
                                                             .type = type_,                        \
                                                             .keymgmts = keymgmts_##id,            \
                                                             .signatures = signatures_##id,        \
                                                             .decoders = decoders_##id,            \
                                                             .resolve = resolve_private };         \
    int provider_init_##id(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in,                  \
                           const OSSL_DISPATCH **out, void **ret_ctx)                              \
    {                                                                                              \
        return provider_start(core, in, out, ret_ctx, &references_##id, NULL);                     \
    }
KEY_TYPES(PROVIDER_OF_TYPE)
