/* SPDX-License-Identifier: Apache-2.0
 * What the parts of the provider share: its context, its key object, its dispatch tables. */
#ifndef NODEKEY_PROVIDER_PRIVATE_H
#define NODEKEY_PROVIDER_PRIVATE_H

#include <openssl/core_dispatch.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include "key.h"

struct provider {
    const OSSL_CORE_HANDLE *core;
    OSSL_FUNC_core_new_error_fn *new_error;
    OSSL_FUNC_core_vset_error_fn *set_error;
    OSSL_FUNC_core_set_error_debug_fn *set_error_debug;
    /* A library context of our own with only "default" in it: what we hash and compare there can
     * never come back to us. */
    OSSL_LIB_CTX *libctx;
    OSSL_PROVIDER *basics; /* that "default" */
    bool decodes; /* only who issues references decodes them */
};

/* The provider's key object: what EVP_PKEY holds. */
struct provider_key {
    struct provider *provider;
    EVP_PKEY *public_key;
    struct hsm_key *key; /* NULL: only the public half (imported to compare with) */
};

void provider_key_free(struct provider_key *key);
DEFINE_AUTO(struct provider_key *, provider_key_free);
/* Takes over `key`; NULL on failure, then `key` is released. */
struct provider_key *provider_key_new(struct provider *provider, struct hsm_key *key);

extern const OSSL_DISPATCH keymgmt_rsa[];
extern const OSSL_DISPATCH keymgmt_ec[];
extern const OSSL_DISPATCH keymgmt_ed25519[];
extern const OSSL_DISPATCH signature_rsa[];
extern const OSSL_DISPATCH signature_ecdsa[];
extern const OSSL_DISPATCH signature_ed25519[];
extern const OSSL_DISPATCH decoder_pem[];
extern const OSSL_DISPATCH decoder_rsa[];
extern const OSSL_DISPATCH decoder_ec[];
extern const OSSL_DISPATCH decoder_ed25519[];

enum raise_reason {
    RAISE_REFERENCE_UNKNOWN = 1,
    RAISE_SIGNATURE_FAILED,
    RAISE_PARAMETER,
    RAISE_PUBLIC_ONLY,
    RAISE_INTERNAL,
};
extern const OSSL_ITEM raise_reasons[];
/* Puts an error on the core's queue, so that the program's own report shows it. Always 0. */
int raise_error(const struct provider *provider, enum raise_reason reason, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

#endif
