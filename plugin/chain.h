/* SPDX-License-Identifier: Apache-2.0
 * Path validation without gRPC: certificates in, verdict out. RFC 5280 by OpenSSL, against a store
 * of our own: the roots and revocation lists of one policy generation. */
#ifndef NODEKEY_CHAIN_H
#define NODEKEY_CHAIN_H

#include <stdbool.h>
#include <time.h>

#include <openssl/x509.h>

#include "auto.h"
#include "crl.h"
#include "nodekey/plugin.h"
#include "pool.h"
#include "reasons.h"

struct chain; /* any thread, concurrently */

struct chain_settings {
    bool strict;
    bool wants_policies; /* some rule asks for a policy_oid */
    struct crl_settings crl;
};

struct chain_failure {
    enum reason reason;
    int depth; /* 0: the leaf */
    char detail[NK_DETAIL_BYTES];
};

/* Zeroed: empty. */
struct chain_path {
    STACK_OF(X509) *certificates; /* leaf to root */
    char **policies; /* dotted OIDs that RFC 5280 finds valid for it; only if wants_policies */
    size_t policies_len;
    time_t until; /* from here on it must be judged again: a notAfter, or the end of a CRL, passes */
    char note[NK_DETAIL_BYTES]; /* crl_mode soft: what was absent or stale; "" */
};
void chain_path_clear(struct chain_path *path);

/* Takes references to `roots` and `crls`, which may be NULL. *ret_chain is owned: chain_free. */
MUST_USE nk_status chain_new(STACK_OF(X509) *roots, STACK_OF(X509_CRL) *crls,
                             const struct chain_settings *settings, struct chain **ret_chain,
                             nk_error *err);
void chain_free(struct chain *chain);
/* Does `leaf` chain to a root now, unrevoked, for the holder's `role` (NK_PEER_IS_*)? `others` are
 * candidates beside the pool's, never trusted; may be NULL, and so may `pool`. On success
 * *ret_path is filled: chain_path_clear; else *ret_failure is. */
MUST_USE bool chain_holds(struct chain *chain, struct pool *pool, uint32_t role, X509 *leaf,
                          STACK_OF(X509) *others, struct chain_path *ret_path,
                          struct chain_failure *ret_failure);

#endif
