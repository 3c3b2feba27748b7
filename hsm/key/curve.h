/* SPDX-License-Identifier: Apache-2.0
 * CKA_EC_PARAMS, which says the same in more than one way. */
#ifndef NODEKEY_CURVE_H
#define NODEKEY_CURVE_H

#include <stddef.h>

#include <openssl/evp.h>

/* "P-256", "P-384", "P-521" or "Ed25519" for a named curve: by its OID (PKCS#11 2), or by its name
 * in a PrintableString (PKCS#11 3). NULL: something else, or another encoding. */
const char *curve_of_params(const unsigned char *params, size_t len);
/* The same of a key; NULL for other keys. */
const char *curve_of_key(EVP_PKEY *key);

#endif
