/* SPDX-License-Identifier: Apache-2.0
 * Path validation without gRPC: certificates in, verdict out. RFC 5280 by OpenSSL, against a store
 * of our own: the roots and revocation lists of one policy generation. */
#ifndef NODEKEY_CHAIN_H
#define NODEKEY_CHAIN_H

#include <stdbool.h>

#include <openssl/x509.h>

#include "base/auto.h"
#include "chain/chain_failure.h"
#include "chain/chain_path.h"
#include "chain/pool.h"
#include "chain/reasons.h"
#include "nodekey/plugin.h"
#include "trust/crl.h"

struct chain; /* any thread, concurrently */

struct chain_settings {
    bool strict;
    bool wants_policies; /* some rule asks for a policy_oid */
    struct crl_settings crl;
};

/* [any] Takes references to `roots`, which are as roots_read gives them, and `crls`, which may be
 * NULL. NK_E_NOMEM, NK_E_INTERNAL. *ret_chain is owned: chain_free. */
MUST_USE nk_status chain_new(STACK_OF(X509) *roots, struct crls *crls,
                             const struct chain_settings *settings, struct chain **ret_chain,
                             nk_error *err);
/* [any] NULL is allowed. */
void chain_free(struct chain *chain);
/* [any] Whether `leaf` chains to a root now, unrevoked, for the holder's `role` (NK_PEER_IS_*).
 * Asked in this order: what the chain may cost (chain_limits.h), RFC 5280 with all of its policy
 * rules (chain_path.h), the role's extendedKeyUsage under `strict`, revocation
 * (chain_revocation.h). `others` are candidates, never trusted; may be NULL, and so may `pool`,
 * which is asked for what they lack, and for signatures that were found good (chain_signatures.h).
 * True: *ret_path is filled, and owned: chain_path_clear. False: *ret_failure is. */
MUST_USE bool chain_holds(struct chain *chain, struct pool *pool, uint32_t role, X509 *leaf,
                          STACK_OF(X509) *others, struct chain_path *ret_path,
                          struct chain_failure *ret_failure);

#endif
