/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/signature_context.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/objects.h>
#include <openssl/rsa.h>

void signature_free(void *data)
{
    struct signature *ctx = data;

    hsm_key_unref(ctx->key);
    EVP_MD_free(ctx->digest);
    EVP_MD_CTX_free(ctx->under_way);
    BUF_MEM_free(ctx->message);
    free(ctx);
}
DEFINE_AUTO(struct signature *, signature_free);

void *signature_new(void *provider, const char *properties)
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

bool signature_keep(struct signature *ctx, const unsigned char *input, size_t len)
{
    size_t had = ctx->message->length;

    if (len > SIZE_MAX - had || BUF_MEM_grow(ctx->message, had + len) != had + len) {
        return false;
    }
    if (len > 0) {
        memcpy(ctx->message->data + had, input, len);
    }
    return true;
}

static bool copy_message(struct signature *to, const struct signature *from)
{
    if (from->message == NULL) {
        return true;
    }
    to->message = BUF_MEM_new();
    return to->message != NULL &&
           signature_keep(to, (const unsigned char *)from->message->data, from->message->length);
}

void *signature_duplicate(void *data)
{
    const struct signature *from = data;
    AUTO(signature_free) struct signature *to = signature_new(from->provider, NULL);
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
    if (!copy_message(to, from)) {
        return NULL;
    }
    struct signature *made = to;
    to = NULL;
    return made;
}

int signature_set_digest(struct signature *ctx, const char *name)
{
    EVP_MD *digest = provider_digest(ctx->provider, name);

    if (digest == NULL) {
        return raise_error(ctx->provider, RAISE_PARAMETER, "digest %s", name);
    }
    EVP_MD_free(ctx->digest);
    ctx->digest = digest;
    return 1;
}

bool signature_choose_scheme(const struct signature *ctx, struct scheme *ret_scheme)
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
