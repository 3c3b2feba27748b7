/* SPDX-License-Identifier: Apache-2.0
 * Nodes of the fault table under way: a connection that must go on serving, threads that dial. */
#ifndef NODEKEY_TESTS_FAULT_LOAD_H
#define NODEKEY_TESTS_FAULT_LOAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "fixtures/federation.h"
#include "fixtures/wire/rpc_stream.h"

#define FAULT_WHY_BYTES 300
#define FAULT_PATIENCE_MS 30000 /* for what must happen: never reached */

/* A node that serves and dials itself: one identity at both ends. */
struct party {
    struct node node;
    struct rpc_server *server;
};

void party_serve(struct party *party);
void party_stop(struct party *party); /* also one that never served */

/* Calls one after another, beside a held one that tells whether it still is the same connection. */
struct steady {
    grpc_channel *channel;
    struct rpc_stream *held;
    pthread_t thread;
    atomic_bool enough;
    atomic_ulong answered;
    atomic_ulong failed;
    struct rpc_result last_failure; /* once the thread has ended */
};

/* False: no connection. */
bool steady_start(struct steady *steady, const struct party *party);
/* Waits until that many more were answered. */
bool steady_goes_on(struct steady *steady, unsigned long more);
/* True: every call was answered, all on one connection. */
bool steady_stop(struct steady *steady);

/* New handshakes: a member without nodekey dials the party, and the party dials itself. */
struct dialling {
    const struct party *party;
    const struct tls_peer *stranger;
    bool only_outbound;
};

/* `why` says how far a failed one came, or is NULL. */
bool dial_inbound(const struct dialling *dialling, char why[FAULT_WHY_BYTES]);
bool dial_outbound(const struct dialling *dialling, char why[FAULT_WHY_BYTES]);

/* Four threads, two for each. */
struct storm {
    struct dialling dialling;
    pthread_t threads[4];
    atomic_bool enough;
    atomic_bool cured; /* from here a failure of a dial that begins counts */
    atomic_ulong dials;
    atomic_ulong failed;
    atomic_ulong failed_when_cured;
};

void storm_start(struct storm *storm, const struct dialling *dialling);
bool storm_goes_on(struct storm *storm, unsigned long more);
void storm_stop(struct storm *storm);

#endif
