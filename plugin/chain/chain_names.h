/* SPDX-License-Identifier: Apache-2.0
 * Names of a path under the nameConstraints of its CAs (RFC 5280 4.2.1.10), as far as OpenSSL lets
 * through what a CA has excluded or not permitted: a wildcard that would serve as an excluded host,
 * a dot at the end, and the host of a URI behind a user's name. */
#ifndef NODEKEY_CHAIN_NAMES_H
#define NODEKEY_CHAIN_NAMES_H

#include <stdbool.h>

#include <openssl/x509.h>

#include "base/auto.h"
#include "chain/chain_failure.h"

/* [any] `path` is what OpenSSL found valid, leaf to root. `strict` also refuses an e-mail address
 * with two @ that a constraint is about. False: *ret_failure is filled. */
MUST_USE bool chain_names_hold(STACK_OF(X509) *path, bool strict,
                               struct chain_failure *ret_failure);

#endif
