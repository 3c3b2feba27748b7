/* SPDX-License-Identifier: Apache-2.0
 * A node that dials itself, in a process of its own: with keys of nodekey's, in memory, or of the
 * rival's engine. And the token by itself. */
#ifndef NODEKEY_BENCH_HANDSHAKE_SIDES_H
#define NODEKEY_BENCH_HANDSHAKE_SIDES_H

#include "federation.h"
#include "outpost.h"

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
struct outpost *software_side(struct ends *ends);
struct outpost *libp11_side(struct ends *ends);
/* Each errand is so many bare signatures with the client's key. */
struct outpost *bare_side(struct ends *ends);

#endif
