/* SPDX-License-Identifier: Apache-2.0
 * Verdicts of the policy on peers that connect, so that judging one the third time costs a digest;
 * one that came once costs no memory. Of fixed size: peers beyond it are judged each time, and
 * strangers, whom nobody admitted, never take the place of members. The host's hook and all that is
 * said of a connection are asked anew. */
#ifndef NODEKEY_KNOWN_PEERS_H
#define NODEKEY_KNOWN_PEERS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/auto.h"
#include "judge/policy.h"
#include "judge/showing.h"
#include "peer/peer.h"

struct known_peers; /* any thread, concurrently */

#define KNOWN_PEERS_MAX 1024u
#define KNOWN_PEER_BYTES 16384u /* PEM of leaf and chain; more is judged each time */

/* Everything that a verdict rests on, but the time. */
struct known_peer_key {
    uint8_t shown[NK_SHA256_BYTES];
    uint32_t places;     /* that the certificate may take, with that role and target */
    uint64_t generation; /* of the policy */
    uint64_t pool;       /* pool_changes before judging; not for members who need no pool */
};

MUST_USE struct known_peers *known_peers_new(void); /* NULL: no memory */
void known_peers_free(struct known_peers *peers);

/* False: more than is kept, or no digest; such a peer is judged each time. */
MUST_USE bool known_peers_key(const struct showing *showing, const struct policy *policy,
                              struct known_peer_key *ret_key);
/* The peer, and what policy_judge said of it; owned: peer_free. NULL: not known, or not known any
 * more at `now`. */
MUST_USE struct peer *known_peers_find(struct known_peers *peers, const struct known_peer_key *key,
                                       time_t now, struct opinion *ret_opinion);
/* Keeps what is put a second time. Holds from `now` to opinion->until, and not longer than here: a
 * peer that is judged keeps the intermediates of its path in the pool. An opinion with a note on
 * stale or absent lists is not kept, nor one that failed by itself. The caller is the sole holder
 * of `peer`, whose certificates are forgotten if it is kept: peer_forget_certificates. */
#define KNOWN_MEMBER_SECONDS 60
#define KNOWN_REFUSAL_SECONDS 5
void known_peers_put(struct known_peers *peers, const struct known_peer_key *key, struct peer *peer,
                     const struct opinion *opinion, time_t now);

#endif
