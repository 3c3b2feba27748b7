/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/signature.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include "key/key_sign.h"
#include "provider/algorithm_id.h"
#include "provider/provider_context.h"

struct signature {
    struct provider *provider;
    struct hsm_key *key; /* a reference */
    int max_size;
    int padding;    /* RSA */
    int salt_len;   /* PSS; RSA_PSS_SALTLEN_* or bytes */
    EVP_MD *digest; /* NULL: none */
    EVP_MD_CTX *under_way;
};

static OSSL_FUNC_signature_freectx_fn free_ctx;
static void free_ctx(void *data)
{
    struct signature *ctx = data;

    hsm_key_unref(ctx->key);
    EVP_MD_free(ctx->digest);
    EVP_MD_CTX_free(ctx->under_way);
    free(ctx);
}
static void free_signature(struct signature *ctx)
{
    free_ctx(ctx);
}
DEFINE_AUTO(struct signature *, free_signature);

static OSSL_FUNC_signature_newctx_fn new_ctx;
static void *new_ctx(void *provider, const char *properties)
{
    struct signature *ctx = calloc(1, sizeof(*ctx));

    (void)properties;
    if (ctx != NULL) {
        ctx->provider = provider;
        ctx->padding = RSA_PKCS1_PADDING;
        ctx->salt_len = RSA_PSS_SALTLEN_AUTO;
    }
    return ctx;
}

static OSSL_FUNC_signature_dupctx_fn dup_ctx;
static void *dup_ctx(void *data)
{
    const struct signature *from = data;
    AUTO(free_signature) struct signature *to = new_ctx(from->provider, NULL);
    if (to == NULL) {
        return NULL;
    }
    to->max_size = from->max_size;
    to->padding = from->padding;
    to->salt_len = from->salt_len;
    if (from->key != NULL) {
        hsm_key_ref(from->key);
        to->key = from->key;
    }
    if (from->digest != NULL) {
        if (EVP_MD_up_ref(from->digest) != 1) {
            return NULL;
        }
        to->digest = from->digest;
    }
    if (from->under_way != NULL) {
        to->under_way = EVP_MD_CTX_new();
        if (to->under_way == NULL || EVP_MD_CTX_copy_ex(to->under_way, from->under_way) != 1) {
            return NULL;
        }
    }
    struct signature *made = to;
    to = NULL;
    return made;
}

static int set_digest(struct signature *ctx, const char *name)
{
    EVP_MD *digest = EVP_MD_fetch(ctx->provider->libctx, name, NULL);

    if (digest == NULL) {
        return raise_error(ctx->provider, RAISE_PARAMETER, "digest %s", name);
    }
    EVP_MD_free(ctx->digest);
    ctx->digest = digest;
    return 1;
}

static OSSL_FUNC_signature_set_ctx_params_fn set_ctx_params;

static int take_key(struct signature *ctx, const struct provider_key *key,
                    const OSSL_PARAM params[])
{
    if (key != NULL) { /* NULL: the context's own, again */
        if (key->key == NULL) {
            return raise_error(ctx->provider, RAISE_PUBLIC_ONLY, "sign");
        }
        hsm_key_ref(key->key);
        hsm_key_unref(ctx->key);
        ctx->key = key->key;
        ctx->max_size = EVP_PKEY_get_size(key->public_key);
    }
    return ctx->key != NULL && set_ctx_params(ctx, params) == 1;
}

static OSSL_FUNC_signature_sign_init_fn sign_init;
static int sign_init(void *data, void *key, const OSSL_PARAM params[])
{
    return take_key(data, key, params);
}

static OSSL_FUNC_signature_digest_sign_init_fn digest_sign_init;
static int digest_sign_init(void *data, const char *name, void *key, const OSSL_PARAM params[])
{
    struct signature *ctx = data;

    if (take_key(ctx, key, params) != 1) {
        return 0;
    }
    if (ctx->key->kind->form == KEY_EDDSA) {
        return name == NULL || name[0] == '\0'
                   ? 1
                   : raise_error(ctx->provider, RAISE_PARAMETER, "Ed25519 takes no digest");
    }
    if (set_digest(ctx, name != NULL && name[0] != '\0' ? name : "SHA256") != 1) {
        return 0;
    }
    if (ctx->under_way == NULL) {
        ctx->under_way = EVP_MD_CTX_new();
    }
    return ctx->under_way != NULL && EVP_DigestInit_ex2(ctx->under_way, ctx->digest, NULL) == 1;
}

static bool choose_scheme(const struct signature *ctx, struct scheme *ret_scheme)
{
    int digest_len = ctx->digest != NULL ? EVP_MD_get_size(ctx->digest) : 0;
    bool rsa = ctx->key->kind->form == KEY_RSA;

    *ret_scheme = (struct scheme){
        .padding = rsa ? ctx->padding : 0,
        .digest_nid = ctx->digest != NULL ? EVP_MD_get_type(ctx->digest) : NID_undef,
    };
    if (!rsa || ctx->padding != RSA_PKCS1_PSS_PADDING) {
        return true;
    }
    /* RFC 8017 section 9.1.1: emLen = ceil((modBits - 1) / 8), at most emLen - hLen - 2 of salt. */
    int longest = ctx->max_size - digest_len - 2;
    int salt = ctx->salt_len == RSA_PSS_SALTLEN_DIGEST ? digest_len
               : ctx->salt_len == RSA_PSS_SALTLEN_AUTO || ctx->salt_len == RSA_PSS_SALTLEN_MAX
                   ? longest
                   : ctx->salt_len;
    ret_scheme->salt_len = (size_t)salt;
    return digest_len > 0 && salt >= 0 && salt <= longest;
}

static int sign_now(struct signature *ctx, unsigned char *signature, size_t *signature_len,
                    size_t room, const unsigned char *input, size_t len)
{
    struct scheme scheme;

    if (signature == NULL) {
        *signature_len = (size_t)ctx->max_size;
        return 1;
    }
    /* Also when another digest was named after hashing had begun. */
    if (ctx->digest != NULL && len != (size_t)EVP_MD_get_size(ctx->digest)) {
        return raise_error(ctx->provider, RAISE_PARAMETER, "%zu bytes are no %s", len,
                           EVP_MD_get0_name(ctx->digest));
    }
    if (!choose_scheme(ctx, &scheme)) {
        return raise_error(ctx->provider, RAISE_PARAMETER, "salt length %d", ctx->salt_len);
    }
    ERR_set_mark();
    CK_RV rv = key_sign(ctx->key, &scheme, input, len, signature, room, signature_len);
    ERR_pop_to_mark();
    if (rv != CKR_OK) {
        if (ctx->provider->format->raise_why != NULL) {
            ctx->provider->format->raise_why(ctx->provider);
        }
        char name[CKR_NAME_BYTES];
        return raise_error(ctx->provider, RAISE_SIGNATURE_FAILED, "token %s: %s", ctx->key->label,
                           rv == CKR_NODEKEY_SHUT ? "instance closed"
                                                  : ckr_name(rv, name, sizeof(name)));
    }
    return 1;
}

static OSSL_FUNC_signature_sign_fn sign;
static int sign(void *data, unsigned char *signature, size_t *signature_len, size_t room,
                const unsigned char *input, size_t len)
{
    return sign_now(data, signature, signature_len, room, input, len);
}

static OSSL_FUNC_signature_digest_sign_update_fn digest_sign_update;
static int digest_sign_update(void *data, const unsigned char *input, size_t len)
{
    struct signature *ctx = data;
    return ctx->under_way != NULL && EVP_DigestUpdate(ctx->under_way, input, len) == 1;
}

static OSSL_FUNC_signature_digest_sign_final_fn digest_sign_final;
static int digest_sign_final(void *data, unsigned char *signature, size_t *signature_len,
                             size_t room)
{
    struct signature *ctx = data;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;

    if (ctx->under_way == NULL) {
        return 0;
    }
    if (signature != NULL && EVP_DigestFinal_ex(ctx->under_way, digest, &digest_len) != 1) {
        return 0;
    }
    return sign_now(ctx, signature, signature_len, room, digest, digest_len);
}

static OSSL_FUNC_signature_digest_sign_fn digest_sign;
static int digest_sign(void *data, unsigned char *signature, size_t *signature_len, size_t room,
                       const unsigned char *input, size_t len)
{
    struct signature *ctx = data;

    if (signature == NULL || ctx->key->kind->form == KEY_EDDSA) {
        return sign_now(ctx, signature, signature_len, room, input, len);
    }
    return digest_sign_update(ctx, input, len) == 1 &&
           digest_sign_final(ctx, signature, signature_len, room) == 1;
}

/* libssl sets the padding as a number, `openssl` as a word. */
static int set_padding(struct signature *ctx, const OSSL_PARAM *p)
{
    int padding = 0;

    if (p->data_type == OSSL_PARAM_INTEGER) {
        if (OSSL_PARAM_get_int(p, &padding) != 1) {
            return 0;
        }
    } else if (p->data_type == OSSL_PARAM_UTF8_STRING) {
        padding = strcmp(p->data, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0       ? RSA_PKCS1_PSS_PADDING
                  : strcmp(p->data, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0 ? RSA_PKCS1_PADDING
                                                                         : 0;
    }
    if (padding != RSA_PKCS1_PADDING && padding != RSA_PKCS1_PSS_PADDING) {
        return raise_error(ctx->provider, RAISE_PARAMETER, "RSA padding %d", padding);
    }
    ctx->padding = padding;
    return 1;
}

static int set_salt(struct signature *ctx, const OSSL_PARAM *p)
{
    if (p->data_type == OSSL_PARAM_INTEGER) {
        return OSSL_PARAM_get_int(p, &ctx->salt_len);
    }
    if (p->data_type != OSSL_PARAM_UTF8_STRING) {
        return 0;
    }
    const char *word = p->data;
    if (strcmp(word, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST) == 0) {
        ctx->salt_len = RSA_PSS_SALTLEN_DIGEST;
    } else if (strcmp(word, OSSL_PKEY_RSA_PSS_SALT_LEN_MAX) == 0 ||
               strcmp(word, OSSL_PKEY_RSA_PSS_SALT_LEN_AUTO) == 0) {
        ctx->salt_len = RSA_PSS_SALTLEN_MAX;
    } else {
        char *end = NULL;
        long bytes = strtol(word, &end, 10);
        if (end == word || *end != '\0' || bytes < 0 || bytes > ctx->max_size) {
            return raise_error(ctx->provider, RAISE_PARAMETER, "salt length %s", word);
        }
        ctx->salt_len = (int)bytes;
    }
    return 1;
}

static int set_ctx_params(void *data, const OSSL_PARAM params[])
{
    struct signature *ctx = data;

    if (params == NULL) {
        return 1;
    }
    const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_DIGEST);
    if (p != NULL && (p->data_type != OSSL_PARAM_UTF8_STRING || set_digest(ctx, p->data) != 1)) {
        return 0;
    }
    p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
    if (p != NULL && set_padding(ctx, p) != 1) {
        return 0;
    }
    p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN);
    if (p != NULL && set_salt(ctx, p) != 1) {
        return 0;
    }
    /* MGF1 with another hash than the signature's is no TLS scheme. */
    p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_MGF1_DIGEST);
    return p == NULL || (p->data_type == OSSL_PARAM_UTF8_STRING && ctx->digest != NULL &&
                         EVP_MD_is_a(ctx->digest, p->data) == 1);
}

static OSSL_FUNC_signature_settable_ctx_params_fn settable_ctx_params;
static const OSSL_PARAM *settable_ctx_params(void *data, void *provider)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_DEFN(OSSL_SIGNATURE_PARAM_DIGEST, OSSL_PARAM_UTF8_STRING, NULL, 0),
        OSSL_PARAM_DEFN(OSSL_SIGNATURE_PARAM_PAD_MODE, OSSL_PARAM_UTF8_STRING, NULL, 0),
        OSSL_PARAM_DEFN(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, OSSL_PARAM_UTF8_STRING, NULL, 0),
        OSSL_PARAM_DEFN(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, OSSL_PARAM_UTF8_STRING, NULL, 0),
        OSSL_PARAM_END,
    };
    (void)data, (void)provider;
    return params;
}

static int get_algorithm_id(const struct signature *ctx, OSSL_PARAM *p)
{
    struct scheme scheme;
    unsigned char *der = NULL;

    if ((ctx->key->kind->form != KEY_EDDSA && ctx->digest == NULL) ||
        !choose_scheme(ctx, &scheme)) {
        return 0;
    }
    int len = algorithm_id(ctx->key->kind, &scheme, &der);
    int ok = len > 0 && OSSL_PARAM_set_octet_string(p, der, (size_t)len) == 1;
    OPENSSL_free(der);
    return ok;
}

/* CMS looks at it as at a number. */
static int get_padding(const struct signature *ctx, OSSL_PARAM *p)
{
    const char *word = ctx->padding == RSA_PKCS1_PSS_PADDING ? OSSL_PKEY_RSA_PAD_MODE_PSS
                                                             : OSSL_PKEY_RSA_PAD_MODE_PKCSV15;

    return p->data_type == OSSL_PARAM_UTF8_STRING ? OSSL_PARAM_set_utf8_string(p, word)
                                                  : OSSL_PARAM_set_int(p, ctx->padding);
}

static OSSL_FUNC_signature_get_ctx_params_fn get_ctx_params;
static int get_ctx_params(void *data, OSSL_PARAM params[])
{
    const struct signature *ctx = data;
    OSSL_PARAM *p = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_ALGORITHM_ID);

    if (ctx->key == NULL || (p != NULL && get_algorithm_id(ctx, p) != 1)) {
        return 0;
    }
    p = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
    if (p != NULL && (ctx->key->kind->form != KEY_RSA || get_padding(ctx, p) != 1)) {
        return 0;
    }
    p = OSSL_PARAM_locate(params, OSSL_SIGNATURE_PARAM_DIGEST);
    return p == NULL || ctx->digest == NULL ||
           OSSL_PARAM_set_utf8_string(p, EVP_MD_get0_name(ctx->digest)) == 1;
}

static OSSL_FUNC_signature_gettable_ctx_params_fn gettable_ctx_params;
static const OSSL_PARAM *gettable_ctx_params(void *data, void *provider)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_DEFN(OSSL_SIGNATURE_PARAM_ALGORITHM_ID, OSSL_PARAM_OCTET_STRING, NULL, 0),
        OSSL_PARAM_DEFN(OSSL_SIGNATURE_PARAM_PAD_MODE, OSSL_PARAM_UTF8_STRING, NULL, 0),
        OSSL_PARAM_DEFN(OSSL_SIGNATURE_PARAM_DIGEST, OSSL_PARAM_UTF8_STRING, NULL, 0),
        OSSL_PARAM_END,
    };
    (void)data, (void)provider;
    return params;
}

#define FN(id, fn)                                                                                 \
    {                                                                                              \
        id, (void (*)(void))(fn)                                                                   \
    }
#define BOTH_FORMS                                                                                 \
    FN(OSSL_FUNC_SIGNATURE_NEWCTX, new_ctx), FN(OSSL_FUNC_SIGNATURE_FREECTX, free_ctx),            \
        FN(OSSL_FUNC_SIGNATURE_DUPCTX, dup_ctx),                                                   \
        FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, digest_sign_init),                                \
        FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, digest_sign),                                          \
        FN(OSSL_FUNC_SIGNATURE_GET_CTX_PARAMS, get_ctx_params),                                    \
        FN(OSSL_FUNC_SIGNATURE_GETTABLE_CTX_PARAMS, gettable_ctx_params)
#define PREHASHED                                                                                  \
    FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_UPDATE, digest_sign_update),                                \
        FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_FINAL, digest_sign_final),                              \
        FN(OSSL_FUNC_SIGNATURE_SIGN_INIT, sign_init), FN(OSSL_FUNC_SIGNATURE_SIGN, sign),          \
        FN(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, set_ctx_params),                                    \
        FN(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, settable_ctx_params)

const OSSL_DISPATCH signature_prehashed[] = { BOTH_FORMS, PREHASHED, { 0, NULL } };
/* RFC 8032: the message is signed whole, so there is no update. */
const OSSL_DISPATCH signature_whole[] = { BOTH_FORMS, { 0, NULL } };
