/* SPDX-License-Identifier: Apache-2.0
 * The least gRPC that a test needs, on the C core: a server that echoes and counts, and a call on a
 * fresh channel, so that each call is one full handshake. */
#ifndef NODEKEY_TESTS_RPC_H
#define NODEKEY_TESTS_RPC_H

#include <stdbool.h>
#include <stddef.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#define RPC_DEADLINE_MS 10000 /* for calls that must work: never reached */

/* grpc_shutdown, and waits until gRPC's own threads have ended. After a refused dial they live on
 * until the reconnect timer; one that ends while the process exits leaves its OpenSSL state to the
 * leak check. Aborts when something keeps gRPC alive. */
void rpc_shutdown(void);
/* The same, but false when something does. For programs whose channels are destroyed while they
 * connect anew: gRPC 1.51 forgets a connection between its handshake and the peer's first SETTINGS
 * then (seen by channelz: a socket, and no channel, subchannel or server), and never ends. */
bool rpc_shuts_down(void);

/* A call of this method stays open until somebody ends it: rpc_stream.h. Any other is echoed. */
#define RPC_HOLD_METHOD "/nodekey.test.Echo/Hold"

struct rpc_server;

/* Runs inside the handler, before the answer is sent. */
typedef void (*rpc_handler)(void *user, grpc_call *call);

/* Listens on 127.0.0.1, port 0, and polls with that many threads. `handler` may be NULL. Borrows
 * `credentials`. Aborts when the port cannot be had. */
struct rpc_server *rpc_server_start(grpc_server_credentials *credentials, unsigned threads,
                                    rpc_handler handler, void *user);
/* "127.0.0.1:port"; lives as long as the server. */
const char *rpc_server_address(const struct rpc_server *server);
int rpc_server_port(const struct rpc_server *server);
size_t rpc_server_runs(struct rpc_server *server); /* calls that reached the handler */
/* Runs when a held call has ended, before it is let go; set before the first is made. */
void rpc_server_on_end(struct rpc_server *server, rpc_handler on_end);
/* Also runs, after the handler, with what the caller sent; set before the first call. */
typedef void (*rpc_reader)(void *user, grpc_call *call, grpc_byte_buffer *payload);
void rpc_server_on_payload(struct rpc_server *server, rpc_reader reader);
/* Cancels what runs, waits, frees. NULL is allowed. */
void rpc_server_stop(struct rpc_server *server);

struct rpc_result {
    grpc_status_code status;
    bool ok; /* status OK and the payload came back */
    char details[1024];
};

/* A channel that shares no connection with others and reconnects fast. Owned:
 * grpc_channel_destroy. */
grpc_channel *rpc_channel(grpc_channel_credentials *credentials, const char *address);
struct rpc_result rpc_call(grpc_channel *channel, unsigned deadline_ms);
/* Waits for a connection until the deadline, however many attempts that takes. */
struct rpc_result rpc_call_when_ready(grpc_channel *channel, unsigned deadline_ms);
/* Both on a channel of its own. */
struct rpc_result rpc_dial(grpc_channel_credentials *credentials, const char *address,
                           unsigned deadline_ms);

#endif
