/* SPDX-License-Identifier: Apache-2.0
 * Path validation by OpenSSL against our own roots, and the pool of intermediates that peers may
 * leave out. */
#ifndef NODEKEY_CHAIN_H
#define NODEKEY_CHAIN_H

#include <stdbool.h>

#include <openssl/x509.h>

#include "auto.h"
#include "nodekey/plugin.h"
#include "reasons.h"

#define CHAIN_POOL_MAX 64

struct chain; /* any thread, concurrently */

struct chain_failure {
    enum reason reason;
    int depth; /* 0: the leaf */
    char detail[NK_DETAIL_BYTES];
};

/* Takes references to `roots`. *ret_chain is owned: chain_free. */
MUST_USE nk_status chain_new(STACK_OF(X509) *roots, bool strict, struct chain **ret_chain,
                             nk_error *err);
void chain_free(struct chain *chain);
/* Does `leaf` chain to a root now, for the holder's `role` (NK_PEER_IS_*)? `others` are candidates,
 * never trusted; may be NULL. *ret_failure is written only when not. When it does, *ret_path,
 * unless ret_path is NULL, is leaf to root; owned: sk_X509_pop_free. */
MUST_USE bool chain_holds(struct chain *chain, uint32_t role, X509 *leaf, STACK_OF(X509) *others,
                          STACK_OF(X509) **ret_path, struct chain_failure *ret_failure);
/* Puts the intermediates of a path into the pool. Only for peers that were admitted in the end:
 * what is in the pool is tried for others. */
void chain_remember(struct chain *chain, STACK_OF(X509) *path);

#endif
