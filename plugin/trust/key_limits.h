/* SPDX-License-Identifier: Apache-2.0
 * Which keys and signature algorithms count, and what checking a signature costs: the part of the
 * limits of a chain that holds for roots, too. */
#ifndef NODEKEY_KEY_LIMITS_H
#define NODEKEY_KEY_LIMITS_H

#include <stdbool.h>

#include <openssl/x509.h>

/* Checking signatures, in about microseconds of one core with OpenSSL 3.0, the root's excepted. */
#define LIMITS_SIGNATURE_COST 4000
#define LIMITS_RSA_BITS_MIN 2048
#define LIMITS_RSA_BITS_MAX 8192
#define LIMITS_RSA_EXPONENT_BITS 64

enum limits_algorithm { ALGORITHM_UNKNOWN = 0, ALGORITHM_WEAK, ALGORITHM_GOOD };

/* SHA-256, SHA-384 or SHA-512 with RSA PKCS#1 v1.5, RSA-PSS or ECDSA; Ed25519. */
enum limits_algorithm limits_algorithm(const X509_ALGOR *algorithm);

/* Why its key may not be used, or NULL. *ret_weak: too weak, else too costly or not of our kinds.
 * A key has one encoding only, so that a rule that pins it cannot be got round: named curves,
 * uncompressed points. */
const char *limits_key_problem(const X509 *certificate, bool *ret_weak);

/* What checking one signature with its key costs, in the unit of LIMITS_SIGNATURE_COST. */
unsigned limits_signature_cost(const X509 *certificate);

#endif
