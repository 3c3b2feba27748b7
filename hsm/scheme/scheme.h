/* SPDX-License-Identifier: Apache-2.0
 * Signature schemes: from a digest to what C_Sign is given, and from its answer to what TLS sends.
 * No PKCS#11 call happens here. */
#ifndef NODEKEY_SCHEME_H
#define NODEKEY_SCHEME_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/evp.h>
#include <p11-kit/pkcs11.h>

#include "nodekey/plugin.h"
#include "scheme/key_kinds.h"

#define SIGNATURE_MAX_BYTES 1024 /* RSA-8192 */
#define TO_SIGN_MAX_BYTES 512    /* an RSA-4096 block, a DigestInfo or a digest */

/* Input of a signature, to be kept from C_SignInit to C_Sign: tpm2-pkcs11 keeps a pointer to
 * `pss`. */
struct to_sign {
    CK_MECHANISM mechanism;
    CK_RSA_PKCS_PSS_PARAMS pss;
    unsigned char block[TO_SIGN_MAX_BYTES];
    const unsigned char *input; /* `block`, or the caller's */
    size_t len;
};

/* Ways to ask for a signature, by what the token is given, in the order in which they are tried,
 * since tokens lack mechanisms, and keys are bound to some (CKA_ALLOWED_MECHANISMS, PKCS#11 3.0
 * section 4.9). */
enum scheme_way {
    SCHEME_DIGEST,  /* the digest; for EdDSA, which has no other way, the message */
    SCHEME_BLOCK,   /* our own EMSA-PSS block, for CKM_RSA_X_509: of RSA-PSS */
    SCHEME_MESSAGE, /* the message, which the token hashes: CKM_SHA256_RSA_PKCS, CKM_ECDSA_SHA256 */
    SCHEME_NO_WAY,
};

/* Its mechanism; false: the scheme has no such way. */
MUST_USE bool scheme_mechanism(const struct key_kind *kind, const struct scheme *scheme,
                               enum scheme_way way, CK_MECHANISM_TYPE *ret_mechanism);
/* `input` is the digest, or what the way says, and stays borrowed until C_Sign. A digest longer
 * than an EC key's order is cut as FIPS 186-4 section 6.4 says; not every token does that. A block
 * is salted anew by each call. False: a padding, digest, length or way that no scheme has. */
MUST_USE bool scheme_prepare(const struct key_kind *kind, EVP_PKEY *public_key,
                             const struct scheme *scheme, enum scheme_way way,
                             const unsigned char *input, size_t len, struct to_sign *ret_to_sign);
/* Bytes of C_Sign's answer: an RSA modulus; r and s of the order's length; RFC 8032's 64. */
MUST_USE size_t scheme_raw_len(const struct key_kind *kind, const EVP_PKEY *public_key);
/* `raw` is C_Sign's answer, of that length; ECDSA's r and s become DER (RFC 8446 section 4.2.3). */
MUST_USE bool scheme_finish(const struct key_kind *kind, const unsigned char *raw, size_t raw_len,
                            unsigned char *signature, size_t room, size_t *ret_len);
/* Verification by `public_key` in OpenSSL's default provider. */
MUST_USE bool scheme_verifies(EVP_PKEY *public_key, const struct scheme *scheme,
                              const unsigned char *input, size_t len,
                              const unsigned char *signature, size_t signature_len);

#endif
