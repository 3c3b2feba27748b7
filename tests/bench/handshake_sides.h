/* SPDX-License-Identifier: Apache-2.0
 * A node that dials itself, in a process of its own: nodekey's, with keys in the token;
 * without nodekey, with keys in memory or of a rival. The token by itself. */
#ifndef NODEKEY_BENCH_HANDSHAKE_SIDES_H
#define NODEKEY_BENCH_HANDSHAKE_SIDES_H

#include "bench/sides/outpost.h"
#include "fixtures/federation.h"

/* Of one key type, both enrolled in SoftHSM. */
struct ends {
    const char *key_type;
    const struct federation *federation;
    struct member server;
    struct member client;
};

/* Each errand is so many calls on channels of their own. Started before this process has threads;
 * stopped with outpost_stop. `ends` is borrowed. */
struct outpost *nodekey_side(struct ends *ends);
/* The same with token.sign_timeout_ms: a worker signs. */
struct outpost *deadline_side(struct ends *ends);
/* The same with an audit line for each handshake and candidate rules. */
struct outpost *watched_side(struct ends *ends);
/* Keys in memory and gRPC's own check of the peer. */
struct outpost *plain_side(struct ends *ends);
struct outpost *libp11_side(struct ends *ends);
struct outpost *pkcs11_provider_side(struct ends *ends);
/* Each errand is so many bare signatures with the client's key, one after each handshake of gRPC's
 * own TLS: caches are as cold then as in a handshake. */
struct outpost *between_side(struct ends *ends);

#endif
