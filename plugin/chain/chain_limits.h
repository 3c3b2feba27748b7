/* SPDX-License-Identifier: Apache-2.0
 * What a stranger's chain may cost. Asked before OpenSSL decodes extensions or checks a signature:
 * it has few bounds of its own, and some of its work grows with the square of what it is sent.
 * Part of chain.c; the keys' part serves roots, too. */
#ifndef NODEKEY_CHAIN_LIMITS_H
#define NODEKEY_CHAIN_LIMITS_H

#include <stdbool.h>

#include <openssl/x509.h>

#include "base/auto.h"
#include "chain/chain.h"

#define LIMITS_CERTIFICATES 10 /* as peer.h, the leaf included */
#define LIMITS_CERTIFICATE_BYTES 16384
#define LIMITS_CHAIN_BYTES 65536
#define LIMITS_EXTENSIONS 64
#define LIMITS_RDNS 64         /* attributes of a subject or issuer */
#define LIMITS_SUBTREES 256    /* of one certificate's nameConstraints */
#define LIMITS_NAME_WORK 16384 /* names of the chain times subtrees of the chain */
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

/* `strict` also asks for serial numbers as RFC 5280 4.1.2.2 wants them. *ret_left is what is left
 * of LIMITS_SIGNATURE_COST. */
MUST_USE bool limits_hold(X509 *leaf, STACK_OF(X509) *others, bool strict, unsigned *ret_left,
                          struct chain_failure *ret_failure);

#endif
