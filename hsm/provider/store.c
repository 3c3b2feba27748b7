/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/store.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/store.h>
#include <openssl/x509.h>

#include "base/exit_gate.h"
#include "provider/provider_config.h"
#include "provider/uri_keys.h"

typedef STACK_OF(X509) *stack;

struct store {
    struct provider *provider;
    char *uri;
    bool keys;         /* the key is still to come */
    bool certificates; /* so are certificates */
    bool expected;     /* the program or the URI asks for just this */
    stack chain;       /* NULL: not read yet */
};

static void expect_only(struct store *store, bool keys, bool certificates)
{
    store->keys = keys;
    store->certificates = certificates;
    store->expected = true;
}

/* False: it is no URI that we can read, which uri_key says better. */
static bool asks_for(const char *text, CK_OBJECT_CLASS object_class)
{
    AUTO(p11_kit_uri_free) P11KitUri *uri = p11_kit_uri_new();
    if (uri == NULL || p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, uri) != P11_KIT_URI_OK) {
        return false;
    }
    const CK_ATTRIBUTE *type = p11_kit_uri_get_attribute(uri, CKA_CLASS);
    return type != NULL && *(const CK_OBJECT_CLASS *)type->pValue == object_class;
}

static OSSL_FUNC_store_close_fn close_store;
static int close_store(void *ctx)
{
    struct store *store = ctx;

    sk_X509_pop_free(store->chain, X509_free);
    free(store->uri);
    free(store);
    return 1;
}

static OSSL_FUNC_store_open_fn open_store;
static void *open_store(void *provider, const char *uri)
{
    struct store *store = calloc(1, sizeof(*store));

    if (store == NULL || (store->uri = strdup(uri)) == NULL) {
        free(store);
        return NULL;
    }
    store->provider = provider;
    store->keys = true;
    store->certificates = true;
    if (asks_for(uri, CKO_PRIVATE_KEY)) {
        expect_only(store, true, false);
    } else if (asks_for(uri, CKO_CERTIFICATE)) {
        expect_only(store, false, true);
    }
    return store;
}

static OSSL_FUNC_store_settable_ctx_params_fn settable_ctx_params;
static const OSSL_PARAM *settable_ctx_params(void *provider)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_DEFN(OSSL_STORE_PARAM_EXPECT, OSSL_PARAM_INTEGER, NULL, 0),
        OSSL_PARAM_END,
    };
    (void)provider;
    return params;
}

static OSSL_FUNC_store_set_ctx_params_fn set_ctx_params;
static int set_ctx_params(void *ctx, const OSSL_PARAM params[])
{
    struct store *store = ctx;
    int type = 0;
    const OSSL_PARAM *p =
        params != NULL ? OSSL_PARAM_locate_const(params, OSSL_STORE_PARAM_EXPECT) : NULL;

    if (p == NULL) {
        return 1;
    }
    if (OSSL_PARAM_get_int(p, &type) != 1) {
        return 0;
    }
    if (type != 0) {
        expect_only(store, store->keys && type == OSSL_STORE_INFO_PKEY,
                    store->certificates && type == OSSL_STORE_INFO_CERT);
    }
    return 1;
}

static int load_key(struct store *store, OSSL_CALLBACK *callback, void *arg)
{
    store->keys = false;
    struct hsm_key *key = uri_key(store->provider, store->uri, true);
    if (key == NULL) {
        store->certificates = false; /* one error, not a second for the certificate */
        return 0;
    }
    return provider_give_key(store->provider, key, callback, arg);
}

static nk_status read_chain(struct store *store, nk_error *err)
{
    AUTO(provider_terms_free) struct provider_terms *terms = NULL;
    nk_status status = provider_terms_read(store->provider, store->uri, &terms, err);

    if (status != NK_OK) {
        return status;
    }
    AUTO(words_restore) const struct hsm_words *former = words_use(terms->request.words);
    return hsm_certificates(terms->request.module, store->uri,
                            terms->request.token.login_timeout_ms, &store->chain, err);
}

static int give_certificate(X509 *certificate, OSSL_CALLBACK *callback, void *arg)
{
    int type = OSSL_OBJECT_CERT;
    unsigned char *der = NULL;
    int len = i2d_X509(certificate, &der);
    if (len <= 0) {
        return 0;
    }
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &type),
        OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_DATA, der, (size_t)len),
        OSSL_PARAM_END,
    };
    int ok = callback(params, arg);
    OPENSSL_free(der);
    return ok;
}

static int load_certificate(struct store *store, OSSL_CALLBACK *callback, void *arg)
{
    nk_error err = { .struct_size = sizeof(err) };

    if (store->chain == NULL) {
        ERR_set_mark();
        nk_status status = read_chain(store, &err);
        ERR_pop_to_mark();
        if (status != NK_OK) {
            store->certificates = false;
            /* A key without a certificate beside it is a key. */
            return store->expected ? uri_raise(store->provider, &err) : 1;
        }
    }
    X509 *certificate = sk_X509_shift(store->chain);
    store->certificates = sk_X509_num(store->chain) > 0;
    int ok = certificate != NULL && give_certificate(certificate, callback, arg) == 1;
    X509_free(certificate);
    return ok;
}

static OSSL_FUNC_store_load_fn load_object;
static int load_object(void *ctx, OSSL_CALLBACK *callback, void *arg,
                       OSSL_PASSPHRASE_CALLBACK *passphrase, void *passphrase_arg)
{
    struct store *store = ctx;

    (void)passphrase, (void)passphrase_arg;
    if (!exit_gate_enter()) {
        expect_only(store, false, false);
        return raise_error(store->provider, RAISE_INTERNAL, PROVIDER_NO_ENTRY);
    }
    int ok = store->keys           ? load_key(store, callback, arg)
             : store->certificates ? load_certificate(store, callback, arg)
                                   : 0;
    exit_gate_leave();
    return ok;
}

static OSSL_FUNC_store_eof_fn is_at_end;
static int is_at_end(void *ctx)
{
    const struct store *store = ctx;
    return !store->keys && !store->certificates;
}

#define FN(id, fn)                                                                                 \
    {                                                                                              \
        id, (void (*)(void))(fn)                                                                   \
    }
const OSSL_DISPATCH store_pkcs11[] = {
    FN(OSSL_FUNC_STORE_OPEN, open_store),
    FN(OSSL_FUNC_STORE_SETTABLE_CTX_PARAMS, settable_ctx_params),
    FN(OSSL_FUNC_STORE_SET_CTX_PARAMS, set_ctx_params),
    FN(OSSL_FUNC_STORE_LOAD, load_object),
    FN(OSSL_FUNC_STORE_EOF, is_at_end),
    FN(OSSL_FUNC_STORE_CLOSE, close_store),
    { 0, NULL },
};
