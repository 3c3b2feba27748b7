/* SPDX-License-Identifier: Apache-2.0
 * What a peer showed, and the facts of it that rules, hooks and logs speak about. */
#ifndef NODEKEY_PEER_H
#define NODEKEY_PEER_H

#include <openssl/x509.h>

#include "auto.h"
#include "nodekey/plugin.h"

#define PEER_CHAIN_MAX_BYTES 131072u /* PEM text of a whole chain */
#define PEER_CHAIN_MAX_CERTS 10
#define PEER_NAMES_MAX 64

/* One peer in one role. Owns all of it. `facts` points into the other members. */
struct peer {
    X509 *leaf;
    STACK_OF(X509) *others; /* what it sent beside the leaf; may be empty */
    nk_peer facts;          /* `rule` is NULL until the policy set it */
    struct peer_storage *storage;
};

/* `leaf_pem` may be NULL or "" (no certificate: NK_E_PEER). `chain_pem` may be NULL, may or may not
 * begin with the leaf. `target` may be NULL. NUL or control bytes, or non-ASCII, in a name that
 * rules can match are NK_E_PEER: such a certificate is refused, not guessed at.
 * *ret_peer is owned: peer_free. */
MUST_USE nk_status peer_read(uint32_t role, const char *target, const char *leaf_pem,
                             const char *chain_pem, struct peer **ret_peer, nk_error *err);
void peer_free(struct peer *peer);
/* Copies the name of the rule that admits it, so facts.rule outlives the policy; NULL: none. */
void peer_set_rule(struct peer *peer, const char *rule);
/* "CN=..., spiffe://..., sha256:abcd..." for one log line. */
void peer_describe(const struct peer *peer, char *text, size_t room);

#endif
