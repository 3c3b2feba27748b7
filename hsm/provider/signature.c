/* SPDX-License-Identifier: Apache-2.0
 * SIGNATURE: hashing here, one signature on the token. libssl calls the init and the size query
 * twice per handshake and without need of the token, so neither touches it. */
#include <openssl/err.h>

#include "key/key_ways.h"
#include "provider/signature_context.h"
#include "provider/signature_params.h"
#include "sign/key_sign.h"

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
    return ctx->key != NULL && signature_set_params(ctx, params) == 1;
}

static OSSL_FUNC_signature_sign_init_fn sign_init;
static int sign_init(void *data, void *key, const OSSL_PARAM params[])
{
    return take_key(data, key, params);
}

static int begin_digest(struct signature *ctx)
{
    bool keeps = key_wants_messages(ctx->key);

    BUF_MEM_free(ctx->message);
    ctx->message = keeps ? BUF_MEM_new() : NULL;
    if (ctx->under_way == NULL) {
        ctx->under_way = EVP_MD_CTX_new();
    }
    return ctx->under_way != NULL && keeps == (ctx->message != NULL) &&
           EVP_DigestInit_ex2(ctx->under_way, ctx->digest, NULL) == 1;
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
    if (signature_set_digest(ctx, name != NULL && name[0] != '\0' ? name : "SHA256") != 1) {
        return 0;
    }
    if (!key_takes_digest(ctx->key, EVP_MD_get_type(ctx->digest))) {
        return raise_error(ctx->provider, RAISE_PARAMETER, "this key signs no %s",
                           EVP_MD_get0_name(ctx->digest));
    }
    return begin_digest(ctx);
}

static int sign_now(struct signature *ctx, unsigned char *signature, size_t *signature_len,
                    size_t room, const unsigned char *input, size_t len)
{
    struct scheme scheme;

    if (signature == NULL) {
        *signature_len = (size_t)ctx->max_size;
        return 1;
    }
    /* The length is wrong, too, when another digest was named after hashing had begun. */
    if (ctx->digest != NULL && len != (size_t)EVP_MD_get_size(ctx->digest)) {
        return raise_error(ctx->provider, RAISE_PARAMETER, "%zu bytes are no %s", len,
                           EVP_MD_get0_name(ctx->digest));
    }
    if (!signature_choose_scheme(ctx, &scheme)) {
        return raise_error(ctx->provider, RAISE_PARAMETER, "salt length %d", ctx->salt_len);
    }
    if (ctx->key->kind->form != KEY_EDDSA && key_way(ctx->key, &scheme) == SCHEME_MESSAGE) {
        if (ctx->message == NULL) {
            return raise_error(
                ctx->provider, RAISE_SIGNATURE_FAILED,
                "token %s did not sign: this key signs whole messages only, not their digests",
                ctx->key->label);
        }
        input = (const unsigned char *)ctx->message->data;
        len = ctx->message->length;
    }
    ERR_set_mark();
    CK_RV rv = key_sign(ctx->key, &scheme, input, len, signature, room, signature_len);
    ERR_pop_to_mark();
    if (rv != CKR_OK) {
        if (ctx->provider->format->raise_why != NULL) {
            ctx->provider->format->raise_why(ctx->provider);
        }
        char name[CKR_NAME_BYTES];
        return raise_error(
            ctx->provider, RAISE_SIGNATURE_FAILED, "token %s did not sign: %s", ctx->key->label,
            rv == CKR_NODEKEY_SHUT ? "instance closed" : ckr_name(rv, name, sizeof(name)));
    }
    return 1;
}

static OSSL_FUNC_signature_sign_fn sign_digest;
static int sign_digest(void *data, unsigned char *signature, size_t *signature_len, size_t room,
                       const unsigned char *input, size_t len)
{
    return sign_now(data, signature, signature_len, room, input, len);
}

static OSSL_FUNC_signature_digest_sign_update_fn digest_sign_update;
static int digest_sign_update(void *data, const unsigned char *input, size_t len)
{
    struct signature *ctx = data;
    return ctx->under_way != NULL && EVP_DigestUpdate(ctx->under_way, input, len) == 1 &&
           (ctx->message == NULL || signature_keep(ctx, input, len));
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

#define FN(id, fn)                                                                                 \
    {                                                                                              \
        id, (void (*)(void))(fn)                                                                   \
    }
#define BOTH_FORMS                                                                                 \
    FN(OSSL_FUNC_SIGNATURE_NEWCTX, signature_new),                                                 \
        FN(OSSL_FUNC_SIGNATURE_FREECTX, signature_free),                                           \
        FN(OSSL_FUNC_SIGNATURE_DUPCTX, signature_duplicate),                                       \
        FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, digest_sign_init),                                \
        FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, digest_sign),                                          \
        FN(OSSL_FUNC_SIGNATURE_GET_CTX_PARAMS, signature_get_params),                              \
        FN(OSSL_FUNC_SIGNATURE_GETTABLE_CTX_PARAMS, signature_gettable_params)
#define PREHASHED                                                                                  \
    FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_UPDATE, digest_sign_update),                                \
        FN(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_FINAL, digest_sign_final),                              \
        FN(OSSL_FUNC_SIGNATURE_SIGN_INIT, sign_init), FN(OSSL_FUNC_SIGNATURE_SIGN, sign_digest),   \
        FN(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, signature_set_params),                              \
        FN(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, signature_settable_params)

const OSSL_DISPATCH signature_prehashed[] = { BOTH_FORMS, PREHASHED, { 0, NULL } };
/* RFC 8032: the message is signed whole, so there is no update. */
const OSSL_DISPATCH signature_whole[] = { BOTH_FORMS, { 0, NULL } };
