/* SPDX-License-Identifier: Apache-2.0
 * Path from a leaf to a root: RFC 5280 section 6 by OpenSSL, without revocation. */
#ifndef NODEKEY_CHAIN_PATH_H
#define NODEKEY_CHAIN_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <openssl/x509.h>

#include "base/auto.h"
#include "chain/chain_failure.h"
#include "chain/pool.h"
#include "nodekey/plugin.h"

#define CHAIN_DEPTH_MAX 8

/* Zeroed: empty. */
struct chain_path {
    STACK_OF(X509) *certificates; /* leaf to root */
    /* Dotted OIDs that the leaf asserts by name and RFC 5280 6.1 finds valid for the path, as the
     * root's federation calls them (policyMappings); never anyPolicy. Only if wants_policies. */
    char **policies;
    size_t policies_len;
    bool pooled;                /* the peer left out what the pool had */
    time_t until;               /* a notAfter or a CRL's end passes then: to be judged again */
    char note[NK_DETAIL_BYTES]; /* crl_mode soft: what was absent or stale; "" */
};
/* [any] */
void chain_path_clear(struct chain_path *path);

/* Ends of paths. */
struct chain_anchors {
    X509_STORE *store; /* of `roots`, with what is asked of each path */
    STACK_OF(X509) *roots;
    bool wants_policies;
};

/* Certificates of a peer, borrowed. `candidates` grows by what is fetched from the pool. */
struct chain_shown {
    uint32_t role; /* NK_PEER_IS_* */
    X509 *leaf;
    STACK_OF(X509) *candidates; /* may lie between leaf and root */
    unsigned left;              /* of KEY_LIMITS_COST, for the pool */
};

/* [any] Fills the certificates and policies of *ret_path: chain_path_clear. False: *ret_failure is
 * filled instead. `pool` may be NULL; it is asked for what the candidates lack. */
MUST_USE bool chain_path_find(const struct chain_anchors *anchors, struct pool *pool,
                              const struct chain_shown *shown, struct chain_path *ret_path,
                              struct chain_failure *ret_failure);

#endif
