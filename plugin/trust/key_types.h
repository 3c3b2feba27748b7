/* SPDX-License-Identifier: Apache-2.0
 * The kinds of keys that peers, roots and rules may have: a new one is a row here. RSA is a kind
 * beside the rows, since its keys have sizes. */
#ifndef NODEKEY_KEY_TYPES_H
#define NODEKEY_KEY_TYPES_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/evp.h>

/* ROW(name in rules, OpenSSL's id of the algorithm, of the curve that the key names or NID_undef,
 * bytes of the encoded public key, cost of checking a signature in the unit of KEY_LIMITS_COST). */
#define KEY_TYPE_ROWS(ROW)                                                                         \
    ROW("P-256", EVP_PKEY_EC, NID_X9_62_prime256v1, 65, 100)                                       \
    ROW("P-384", EVP_PKEY_EC, NID_secp384r1, 97, 700)                                              \
    ROW("P-521", EVP_PKEY_EC, NID_secp521r1, 133, 700)                                             \
    ROW("Ed25519", EVP_PKEY_ED25519, NID_undef, 32, 150)

#define KEY_TYPES_NAME(name, ...) ", " name
/* All kinds, for texts. */
#define KEY_TYPES_TAKEN "RSA" KEY_TYPE_ROWS(KEY_TYPES_NAME)

struct key_type {
    const char *name;
    int algorithm;
    int curve;
    int bytes;
    unsigned cost;
};

/* [any] The `i`th row; NULL: no more. */
const struct key_type *key_type_at(size_t i);
/* [any] The row of an algorithm and its curve; NULL: RSA, or none of ours. */
const struct key_type *key_type_find(int algorithm, int curve);
/* [any] The same of a key. */
const struct key_type *key_type_of(const EVP_PKEY *key);
/* [any] "RSA-3072", "P-256"; of a kind without a row the curve, or "other: DSA", which no rule can
 * have. */
void key_type_text(const EVP_PKEY *key, char *text, size_t room);

#endif
