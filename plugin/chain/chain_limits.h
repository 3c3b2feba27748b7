/* SPDX-License-Identifier: Apache-2.0
 * Limits of a stranger's chain. Asked before OpenSSL decodes extensions or checks a signature:
 * OpenSSL has few bounds of its own, and some of its work grows with the square of what it is sent.
 * Limits of keys are in trust/key_limits.h, since they hold for roots, too. */
#ifndef NODEKEY_CHAIN_LIMITS_H
#define NODEKEY_CHAIN_LIMITS_H

#include <stdbool.h>

#include <openssl/x509.h>

#include "base/auto.h"
#include "chain/chain_failure.h"
#include "trust/key_limits.h"

#define CHAIN_LIMITS_CERTIFICATES 10 /* as peer.h, the leaf included */
#define CHAIN_LIMITS_CERTIFICATE_BYTES 16384
#define CHAIN_LIMITS_BYTES 65536
#define CHAIN_LIMITS_EXTENSIONS 64
#define CHAIN_LIMITS_RDNS 64         /* attributes of a subject or issuer */
#define CHAIN_LIMITS_SUBTREES 256    /* of one certificate's nameConstraints */
#define CHAIN_LIMITS_NAME_WORK 16384 /* names of the chain times subtrees of the chain */

/* [any] `others` may be NULL. `strict` also asks for serial numbers as RFC 5280 4.1.2.2 wants them.
 * *ret_left is the rest of KEY_LIMITS_COST. False: *ret_failure is filled. */
MUST_USE bool chain_limits_hold(X509 *leaf, STACK_OF(X509) *others, bool strict, unsigned *ret_left,
                                struct chain_failure *ret_failure);

#endif
