/* SPDX-License-Identifier: Apache-2.0
 * KEYMGMT: keys come by reference from our decoder, or as public halves to compare with. The public
 * half is an ordinary EVP_PKEY, which answers for bits, group and the like. */
#include <openssl/core_names.h>
#include <openssl/params.h>

#include "provider/provider_context.h"

static OSSL_FUNC_keymgmt_new_fn new_key;
static void *new_key(void *ctx)
{
    return provider_key_new(ctx, NULL);
}

static OSSL_FUNC_keymgmt_free_fn free_key;
static void free_key(void *key)
{
    provider_key_free(key);
}

/* The decoder passed the address of its pointer; a key that is taken is not left there. */
static OSSL_FUNC_keymgmt_load_fn load_key;
static void *load_key(const void *reference, size_t size)
{
    struct provider_key **from = (struct provider_key **)(uintptr_t)reference;

    if (size != sizeof(void *)) {
        return NULL;
    }
    struct provider_key *key = *from;
    *from = NULL;
    return key;
}

static OSSL_FUNC_keymgmt_has_fn has_selection;
static int has_selection(const void *data, int selection)
{
    const struct provider_key *key = data;

    if (key == NULL || ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 && key->key == NULL)) {
        return 0;
    }
    return (selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) == 0 || key->public_key != NULL;
}

/* Equal public halves are equal keys: the private ones are not to be had. */
static OSSL_FUNC_keymgmt_match_fn match_keys;
static int match_keys(const void *data1, const void *data2, int selection)
{
    const struct provider_key *a = data1;
    const struct provider_key *b = data2;

    (void)selection;
    return a->public_key != NULL && b->public_key != NULL &&
           EVP_PKEY_eq(a->public_key, b->public_key) == 1;
}

static int import_as(struct provider_key *key, const char *type, int selection,
                     const OSSL_PARAM params[])
{
    if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 || key->public_key != NULL) {
        return 0; /* private keys are made on tokens, not here */
    }
    struct provider *provider = key->provider;
    key->public_key = imported_key(&provider->imported, provider->libctx, type, params);
    return key->public_key != NULL;
}

/* Export of the private half is refused: handing out the public one instead would make the
 * default provider take over the key and fail in the handshake. */
static OSSL_FUNC_keymgmt_export_fn export_key;
static int export_key(void *data, int selection, OSSL_CALLBACK *callback, void *arg)
{
    const struct provider_key *key = data;
    OSSL_PARAM *params = NULL;

    if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 || key->public_key == NULL ||
        EVP_PKEY_todata(key->public_key, EVP_PKEY_PUBLIC_KEY, &params) != 1) {
        return 0;
    }
    int ok = callback(params, arg);
    OSSL_PARAM_free(params);
    return ok;
}

#define FIELDS(id, ...)                                                                            \
    static OSSL_FUNC_keymgmt_export_types_fn list_##id;                                            \
    static const OSSL_PARAM *list_##id(int selection)                                              \
    {                                                                                              \
        static const OSSL_PARAM fields[] = { __VA_ARGS__, OSSL_PARAM_END };                        \
        return (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 ? NULL : fields;                 \
    }
FIELDS(rsa, OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_RSA_N, OSSL_PARAM_UNSIGNED_INTEGER, NULL, 0),
       OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_RSA_E, OSSL_PARAM_UNSIGNED_INTEGER, NULL, 0))
FIELDS(ec, OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_GROUP_NAME, OSSL_PARAM_UTF8_STRING, NULL, 0),
       OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_PUB_KEY, OSSL_PARAM_OCTET_STRING, NULL, 0))
FIELDS(raw, OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_PUB_KEY, OSSL_PARAM_OCTET_STRING, NULL, 0))

static OSSL_FUNC_keymgmt_get_params_fn get_params;
static int get_params(void *data, OSSL_PARAM params[])
{
    const struct provider_key *key = data;
    return key->public_key != NULL && EVP_PKEY_get_params(key->public_key, params) == 1;
}

static OSSL_FUNC_keymgmt_gettable_params_fn gettable_params;
static const OSSL_PARAM *gettable_params(void *ctx)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_BITS, OSSL_PARAM_INTEGER, NULL, 0),
        OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_SECURITY_BITS, OSSL_PARAM_INTEGER, NULL, 0),
        OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_MAX_SIZE, OSSL_PARAM_INTEGER, NULL, 0),
        OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_GROUP_NAME, OSSL_PARAM_UTF8_STRING, NULL, 0),
        OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_DEFAULT_DIGEST, OSSL_PARAM_UTF8_STRING, NULL, 0),
        OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_MANDATORY_DIGEST, OSSL_PARAM_UTF8_STRING, NULL, 0),
        OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_PUB_KEY, OSSL_PARAM_OCTET_STRING, NULL, 0),
        OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_RSA_N, OSSL_PARAM_UNSIGNED_INTEGER, NULL, 0),
        OSSL_PARAM_DEFN(OSSL_PKEY_PARAM_RSA_E, OSSL_PARAM_UNSIGNED_INTEGER, NULL, 0),
        OSSL_PARAM_END,
    };
    (void)ctx;
    return params;
}

#define FN(id, fn)                                                                                 \
    {                                                                                              \
        id, (void (*)(void))(fn)                                                                   \
    }
#define KEYMGMT(id, type, more, signature, more_signature, fields, form)                           \
    static OSSL_FUNC_keymgmt_import_fn import_##id;                                                \
    static int import_##id(void *key, int selection, const OSSL_PARAM params[])                    \
    {                                                                                              \
        return import_as(key, type, selection, params);                                            \
    }                                                                                              \
    static OSSL_FUNC_keymgmt_query_operation_name_fn name_##id;                                    \
    static const char *name_##id(int operation)                                                    \
    {                                                                                              \
        return operation == OSSL_OP_SIGNATURE ? signature : NULL;                                  \
    }                                                                                              \
    const OSSL_DISPATCH keymgmt_##id[] = {                                                         \
        FN(OSSL_FUNC_KEYMGMT_NEW, new_key),                                                        \
        FN(OSSL_FUNC_KEYMGMT_FREE, free_key),                                                      \
        FN(OSSL_FUNC_KEYMGMT_LOAD, load_key),                                                      \
        FN(OSSL_FUNC_KEYMGMT_HAS, has_selection),                                                  \
        FN(OSSL_FUNC_KEYMGMT_MATCH, match_keys),                                                   \
        FN(OSSL_FUNC_KEYMGMT_IMPORT, import_##id),                                                 \
        FN(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, list_##fields),                                         \
        FN(OSSL_FUNC_KEYMGMT_EXPORT, export_key),                                                  \
        FN(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, list_##fields),                                         \
        FN(OSSL_FUNC_KEYMGMT_GET_PARAMS, get_params),                                              \
        FN(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, gettable_params),                                    \
        FN(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, name_##id),                                     \
        { 0, NULL },                                                                               \
    };
KEY_TYPES(KEYMGMT)
