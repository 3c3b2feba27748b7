/* SPDX-License-Identifier: Apache-2.0
 * The state of a signature between OpenSSL's calls for it. */
#ifndef NODEKEY_SIGNATURE_CONTEXT_H
#define NODEKEY_SIGNATURE_CONTEXT_H

#include <openssl/buffer.h>

#include "provider/provider_context.h"

struct signature {
    struct provider *provider;
    struct hsm_key *key; /* a reference */
    int max_size;
    int padding;    /* RSA */
    int salt_len;   /* PSS; RSA_PSS_SALTLEN_* or bytes */
    EVP_MD *digest; /* NULL: none */
    EVP_MD_CTX *under_way;
    BUF_MEM *message; /* under way, for a key that wants whole messages; else NULL */
};

/* NEWCTX, DUPCTX and FREECTX. */
OSSL_FUNC_signature_newctx_fn signature_new;
OSSL_FUNC_signature_dupctx_fn signature_duplicate;
OSSL_FUNC_signature_freectx_fn signature_free;
/* 0: there is no such digest, which it has raised. */
int signature_set_digest(struct signature *ctx, const char *name);
/* Appends to `message`, which is there; false: there is no memory. */
MUST_USE bool signature_keep(struct signature *ctx, const unsigned char *input, size_t len);
/* The scheme that key, digest, padding and salt make; false: the salt has not the room. */
MUST_USE bool signature_choose_scheme(const struct signature *ctx, struct scheme *ret_scheme);

#endif
