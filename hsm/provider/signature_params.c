/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/signature_params.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include "provider/algorithm_id.h"
#include "provider/signature_context.h"

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

int signature_set_params(void *data, const OSSL_PARAM params[])
{
    struct signature *ctx = data;

    if (params == NULL) {
        return 1;
    }
    const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_DIGEST);
    if (p != NULL &&
        (p->data_type != OSSL_PARAM_UTF8_STRING || signature_set_digest(ctx, p->data) != 1)) {
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

const OSSL_PARAM *signature_settable_params(void *data, void *provider)
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
        !signature_choose_scheme(ctx, &scheme)) {
        return 0;
    }
    int len = algorithm_id(ctx->key->kind, &scheme, &der);
    int ok = len > 0 && OSSL_PARAM_set_octet_string(p, der, (size_t)len) == 1;
    OPENSSL_free(der);
    return ok;
}

/* CMS asks for the padding as a number. */
static int get_padding(const struct signature *ctx, OSSL_PARAM *p)
{
    const char *word = ctx->padding == RSA_PKCS1_PSS_PADDING ? OSSL_PKEY_RSA_PAD_MODE_PSS
                                                             : OSSL_PKEY_RSA_PAD_MODE_PKCSV15;

    return p->data_type == OSSL_PARAM_UTF8_STRING ? OSSL_PARAM_set_utf8_string(p, word)
                                                  : OSSL_PARAM_set_int(p, ctx->padding);
}

int signature_get_params(void *data, OSSL_PARAM params[])
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

const OSSL_PARAM *signature_gettable_params(void *data, void *provider)
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
