/* SPDX-License-Identifier: Apache-2.0
 * Public keys that OpenSSL imports to compare with ours: our own certificate's, at each channel.
 * OpenSSL 3.0 makes one of its parts at more than the cost of a signature. */
#ifndef NODEKEY_PROVIDER_IMPORTED_H
#define NODEKEY_PROVIDER_IMPORTED_H

#include <openssl/core.h>
#include <openssl/evp.h>

/* The last one, and the parts it was made of. */
struct imported;

/* A place for one, NULL at first. Its owner frees what is left there by imported_free. */
typedef _Atomic(struct imported *) imported_place;

/* The public key of those parts, made in `libctx` as `type`; the last one, where the parts are the
 * same to the byte. NULL: they are none. Owned: EVP_PKEY_free. [any] */
EVP_PKEY *imported_key(imported_place *place, OSSL_LIB_CTX *libctx, const char *type,
                       const OSSL_PARAM parts[]);

/* NULL is allowed. */
void imported_free(struct imported *imported);

#endif
