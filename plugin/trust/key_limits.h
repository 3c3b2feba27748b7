/* SPDX-License-Identifier: Apache-2.0
 * Which keys and signature algorithms count, and what checking a signature costs: the part of the
 * limits of a chain that holds for roots, too. */
#ifndef NODEKEY_KEY_LIMITS_H
#define NODEKEY_KEY_LIMITS_H

#include <stdbool.h>

#include <openssl/x509.h>

/* Checking signatures, in about microseconds of one core with OpenSSL 3.0, the root's excepted. */
#define KEY_LIMITS_COST 4000
#define KEY_LIMITS_RSA_BITS_MIN 2048
#define KEY_LIMITS_RSA_BITS_MAX 8192
#define KEY_LIMITS_RSA_EXPONENT_BITS 64

enum key_limits_algorithm { ALGORITHM_UNKNOWN = 0, ALGORITHM_WEAK, ALGORITHM_GOOD };

/* [any] SHA-256, SHA-384 or SHA-512 with RSA PKCS#1 v1.5, RSA-PSS or ECDSA; Ed25519. What is none
 * of these fills `problem`, which goes on from "is". */
enum key_limits_algorithm key_limits_algorithm(const X509_ALGOR *algorithm, char *problem,
                                               size_t room);

/* Why its key may not be used, or NULL. *ret_weak: too weak, else too costly or not of our kinds.
 * A key has one encoding only, so that a rule that pins it cannot be got round: named curves,
 * uncompressed points. */
const char *key_limits_problem(const X509 *certificate, bool *ret_weak);

/* What checking one signature with its key costs, in the unit of KEY_LIMITS_COST. */
unsigned key_limits_cost(const X509 *certificate);

#endif
