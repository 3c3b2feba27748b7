/* SPDX-License-Identifier: Apache-2.0
 * Keys and signature algorithms that count, and the cost of checking a signature: for peers, roots
 * and CRLs alike. */
#ifndef NODEKEY_KEY_LIMITS_H
#define NODEKEY_KEY_LIMITS_H

#include <stdbool.h>

#include <openssl/x509.h>

/* Budget of one chain for checking signatures, the root's excepted: in about microseconds of one
 * core with OpenSSL 3.0. */
#define KEY_LIMITS_COST 4000
#define KEY_LIMITS_RSA_BITS_MIN 2048
#define KEY_LIMITS_RSA_BITS_MAX 8192
#define KEY_LIMITS_RSA_EXPONENT_BITS 64

enum key_limits_algorithm { ALGORITHM_UNKNOWN = 0, ALGORITHM_WEAK, ALGORITHM_GOOD };

/* [any] SHA-256, SHA-384 or SHA-512 with RSA PKCS#1 v1.5, RSA-PSS or ECDSA; Ed25519. Any other
 * fills `problem`, which goes on from "is". */
enum key_limits_algorithm key_limits_algorithm(const X509_ALGOR *algorithm, char *problem,
                                               size_t room);

/* [any] Reason not to use the certificate's key, or NULL. *ret_weak: too weak, else too costly or
 * not of our kinds. A key has one encoding only, so that a rule that pins it cannot be got round:
 * named curves, uncompressed points. */
const char *key_limits_problem(const X509 *certificate, bool *ret_weak);

/* [any] Cost of checking one signature with the key, in the unit of KEY_LIMITS_COST. */
unsigned key_limits_cost(const X509 *certificate);

#endif
