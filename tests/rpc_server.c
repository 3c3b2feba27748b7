/* SPDX-License-Identifier: Apache-2.0
 * Every call is a state machine on one completion queue: asked for, payload read, answered; or
 * asked for and held until its end. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>
#include <grpc/support/time.h>

#include "rpc.h"

#define THREADS_MAX 16

struct rpc_server {
    grpc_server *server;
    grpc_completion_queue *queue;
    char address[32];
    int port;
    rpc_handler handler;
    rpc_handler on_end;
    rpc_reader on_payload;
    void *user;
    atomic_size_t runs;
    unsigned threads;
    pthread_t pollers[THREADS_MAX];
};

enum step { ASKED, READ, ANSWERED, HELD };

struct pending {
    struct rpc_server *server;
    enum step step;
    grpc_call *call;
    grpc_call_details details;
    grpc_metadata_array metadata;
    grpc_byte_buffer *payload;
    int cancelled;
};

static void die(const char *what)
{
    fprintf(stderr, "rpc server: %s failed\n", what);
    abort();
}

static void pending_free(struct pending *pending)
{
    grpc_byte_buffer_destroy(pending->payload);
    grpc_metadata_array_destroy(&pending->metadata);
    grpc_call_details_destroy(&pending->details);
    if (pending->call != NULL) {
        grpc_call_unref(pending->call);
    }
    free(pending);
}

static void ask(struct rpc_server *server)
{
    struct pending *pending = calloc(1, sizeof(*pending));
    if (pending == NULL) {
        die("calloc");
    }
    pending->server = server;
    grpc_call_details_init(&pending->details);
    grpc_metadata_array_init(&pending->metadata);
    if (grpc_server_request_call(server->server, &pending->call, &pending->details,
                                 &pending->metadata, server->queue, server->queue,
                                 pending) != GRPC_CALL_OK) {
        pending_free(pending);
    }
}

static void start(struct pending *pending, const grpc_op *ops, size_t len, enum step step)
{
    pending->step = step;
    if (grpc_call_start_batch(pending->call, ops, len, pending, NULL) != GRPC_CALL_OK) {
        die("grpc_call_start_batch");
    }
}

static void read_payload(struct pending *pending)
{
    const grpc_op ops[] = {
        { .op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &pending->payload },
    };
    start(pending, ops, 1, READ);
}

static void answer(struct pending *pending)
{
    const grpc_op ops[] = {
        { .op = GRPC_OP_SEND_INITIAL_METADATA },
        { .op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = pending->payload },
        { .op = GRPC_OP_SEND_STATUS_FROM_SERVER,
          .data.send_status_from_server.status = GRPC_STATUS_OK },
        { .op = GRPC_OP_RECV_CLOSE_ON_SERVER,
          .data.recv_close_on_server.cancelled = &pending->cancelled },
    };
    struct rpc_server *server = pending->server;
    atomic_fetch_add(&server->runs, 1);
    if (server->handler != NULL) {
        server->handler(server->user, pending->call);
    }
    if (server->on_payload != NULL) {
        server->on_payload(server->user, pending->call, pending->payload);
    }
    start(pending, ops, sizeof(ops) / sizeof(ops[0]), ANSWERED);
}

/* Ended by the client, by a guard, or with the server. */
static void hold(struct pending *pending)
{
    const grpc_op ops[] = {
        { .op = GRPC_OP_SEND_INITIAL_METADATA },
        { .op = GRPC_OP_RECV_CLOSE_ON_SERVER,
          .data.recv_close_on_server.cancelled = &pending->cancelled },
    };
    struct rpc_server *server = pending->server;
    atomic_fetch_add(&server->runs, 1);
    if (server->handler != NULL) {
        server->handler(server->user, pending->call);
    }
    start(pending, ops, sizeof(ops) / sizeof(ops[0]), HELD);
}

static bool is_held(const struct pending *pending)
{
    return grpc_slice_str_cmp(pending->details.method, RPC_HOLD_METHOD) == 0;
}

static void advance(struct pending *pending, bool success)
{
    if (pending->step == ASKED && success && is_held(pending)) {
        ask(pending->server);
        hold(pending);
    } else if (pending->step == HELD && pending->server->on_end != NULL) {
        pending->server->on_end(pending->server->user, pending->call);
        pending_free(pending);
    } else if (pending->step == ASKED && success) {
        ask(pending->server);
        read_payload(pending);
    } else if (pending->step == READ && success && pending->payload != NULL) {
        answer(pending);
    } else {
        pending_free(pending);
    }
}

static void *poll(void *arg)
{
    struct rpc_server *server = arg;
    for (;;) {
        grpc_event event =
            grpc_completion_queue_next(server->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN) {
            return NULL;
        }
        if (event.tag != server) { /* the server's own tag marks its shutdown */
            advance(event.tag, event.success != 0);
        } else {
            grpc_completion_queue_shutdown(server->queue);
        }
    }
}

struct rpc_server *rpc_server_start(grpc_server_credentials *credentials, unsigned threads,
                                    rpc_handler handler, void *user)
{
    struct rpc_server *server = calloc(1, sizeof(*server));
    if (server == NULL || threads > THREADS_MAX) {
        die("starting");
    }
    server->handler = handler;
    server->user = user;
    server->threads = threads;
    server->server = grpc_server_create(NULL, NULL);
    server->queue = grpc_completion_queue_create_for_next(NULL);
    grpc_server_register_completion_queue(server->server, server->queue, NULL);
    server->port = grpc_server_add_http2_port(server->server, "127.0.0.1:0", credentials);
    if (server->port <= 0) {
        die("grpc_server_add_http2_port");
    }
    snprintf(server->address, sizeof(server->address), "127.0.0.1:%d", server->port);
    grpc_server_start(server->server);
    for (unsigned i = 0; i < threads; i++) {
        ask(server);
        if (pthread_create(&server->pollers[i], NULL, poll, server) != 0) {
            die("pthread_create");
        }
    }
    return server;
}

const char *rpc_server_address(const struct rpc_server *server)
{
    return server->address;
}

int rpc_server_port(const struct rpc_server *server)
{
    return server->port;
}

size_t rpc_server_runs(struct rpc_server *server)
{
    return atomic_load(&server->runs);
}

void rpc_server_on_end(struct rpc_server *server, rpc_handler on_end)
{
    server->on_end = on_end;
}

void rpc_server_on_payload(struct rpc_server *server, rpc_reader reader)
{
    server->on_payload = reader;
}

void rpc_server_stop(struct rpc_server *server)
{
    if (server == NULL) {
        return;
    }
    grpc_server_shutdown_and_notify(server->server, server->queue, server);
    grpc_server_cancel_all_calls(server->server);
    for (unsigned i = 0; i < server->threads; i++) {
        pthread_join(server->pollers[i], NULL);
    }
    grpc_server_destroy(server->server);
    grpc_completion_queue_destroy(server->queue);
    free(server);
}
