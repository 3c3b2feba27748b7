/* SPDX-License-Identifier: Apache-2.0 */
#include "node_server.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <grpc/slice.h>
#include <grpc/support/alloc.h>

#include "node_handlers.h"

#define GRACE_SECONDS 2 /* for calls under way when we are told to stop */

struct server {
    struct event stopped; /* first: the tag of the shutdown */
    struct node *node;
    grpc_server *core;
    grpc_completion_queue *queue;
    pthread_t *threads;
    unsigned threads_len;
    sem_t no_calls;
};

/* One call, from the offer to take one until its answer is out. It frees itself. */
struct call {
    struct event event; /* first: the tag; `handle` is the step that comes next */
    struct server *server;
    grpc_call *core;
    grpc_call_details details;
    grpc_metadata_array metadata;
    grpc_byte_buffer *request;
    grpc_slice status_details;
    struct answer answer;
    int cancelled;
};

static void free_call(struct call *call)
{
    grpc_call_details_destroy(&call->details);
    grpc_metadata_array_destroy(&call->metadata);
    grpc_byte_buffer_destroy(call->request);
    grpc_byte_buffer_destroy(call->answer.body);
    grpc_slice_unref(call->status_details);
    if (call->core != NULL) {
        grpc_call_unref(call->core);
    }
    free(call);
}

/* A batch that gRPC takes ends in `step`; one that it does not ends the call here. */
static void run_batch(struct call *call, const grpc_op *ops, size_t count,
                      void (*step)(struct event *event, bool ok))
{
    call->event.handle = step;
    grpc_call_error refused = grpc_call_start_batch(call->core, ops, count, &call->event, NULL);
    if (refused != GRPC_CALL_OK) {
        complain("grpc_call_start_batch: %d", (int)refused);
        free_call(call);
    }
}

static void on_answered(struct event *event, bool ok)
{
    (void)ok; /* if the peer went away meanwhile, so be it */
    free_call((struct call *)event);
}

static void on_request(struct event *event, bool ok)
{
    struct call *call = (struct call *)event;
    char *method = grpc_slice_to_c_string(call->details.method);
    if (ok) {
        handlers_answer(call->server->node, method, call->core, &call->request, &call->answer);
    } else {
        call->answer.status = GRPC_STATUS_CANCELLED;
    }
    gpr_free(method);
    call->status_details = grpc_slice_from_copied_string(call->answer.details);

    grpc_op ops[4] = { { .op = GRPC_OP_SEND_INITIAL_METADATA },
                       { .op = GRPC_OP_SEND_STATUS_FROM_SERVER },
                       { .op = GRPC_OP_RECV_CLOSE_ON_SERVER },
                       { .op = GRPC_OP_SEND_MESSAGE } };
    ops[1].data.send_status_from_server.status = call->answer.status;
    ops[1].data.send_status_from_server.status_details = &call->status_details;
    ops[2].data.recv_close_on_server.cancelled = &call->cancelled;
    ops[3].data.send_message.send_message = call->answer.body;
    run_batch(call, ops, call->answer.body != NULL ? 4 : 3, on_answered);
}

static void offer(struct server *server);

static void on_arrived(struct event *event, bool ok)
{
    struct call *call = (struct call *)event;
    if (!ok) { /* the server is shutting down */
        free_call(call);
        return;
    }
    offer(call->server);
    grpc_op op = { .op = GRPC_OP_RECV_MESSAGE };
    op.data.recv_message.recv_message = &call->request;
    run_batch(call, &op, 1, on_request);
}

/* Offers to take one more call. */
static void offer(struct server *server)
{
    struct call *call = calloc(1, sizeof(*call));
    if (call == NULL) {
        complain("no memory for another call");
        return;
    }
    call->event.handle = on_arrived;
    call->server = server;
    call->status_details = grpc_empty_slice();
    grpc_call_details_init(&call->details);
    grpc_metadata_array_init(&call->metadata);
    grpc_call_error refused =
        grpc_server_request_call(server->core, &call->core, &call->details, &call->metadata,
                                 server->queue, server->queue, &call->event);
    if (refused != GRPC_CALL_OK) {
        complain("grpc_server_request_call: %d", (int)refused);
        free_call(call);
    }
}

static void *poll_queue(void *arg)
{
    struct server *server = arg;
    for (;;) {
        grpc_event next =
            grpc_completion_queue_next(server->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
        if (next.type == GRPC_QUEUE_SHUTDOWN) {
            return NULL;
        }
        struct event *event = next.tag;
        event->handle(event, next.success != 0);
    }
}

static void on_stopped(struct event *event, bool ok)
{
    (void)ok;
    sem_post(&((struct server *)event)->no_calls);
}

static void wait_for_calls(struct server *server)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += GRACE_SECONDS;
    if (sem_timedwait(&server->no_calls, &until) != 0) {
        grpc_server_cancel_all_calls(server->core);
        sem_wait(&server->no_calls);
    }
}

void server_stop(struct server *server)
{
    grpc_server_shutdown_and_notify(server->core, server->queue, &server->stopped);
    neighbours_stop(server->node->neighbours);
    wait_for_calls(server);
    grpc_completion_queue_shutdown(server->queue);
    for (unsigned i = 0; i < server->threads_len; i++) {
        pthread_join(server->threads[i], NULL);
    }
    grpc_server_destroy(server->core);
    neighbours_free(server->node->neighbours);
    server->node->neighbours = NULL;
    grpc_completion_queue_destroy(server->queue);
    sem_destroy(&server->no_calls);
    free(server->threads);
    free(server);
}

/* Of one that took no call yet: nobody polls, so we do. */
static struct server *discard(struct server *server)
{
    grpc_server_shutdown_and_notify(server->core, server->queue, &server->stopped);
    grpc_completion_queue_shutdown(server->queue);
    poll_queue(server);
    grpc_server_destroy(server->core);
    neighbours_free(server->node->neighbours);
    server->node->neighbours = NULL;
    grpc_completion_queue_destroy(server->queue);
    sem_destroy(&server->no_calls);
    free(server->threads);
    free(server);
    return NULL;
}

static grpc_server *make_core(void)
{
    grpc_arg settings[] = {
        { .key = GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, .value.integer = MESSAGE_MAX_BYTES },
        { .key = GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, .value.integer = MESSAGE_MAX_BYTES },
        { .key = GRPC_ARG_ALLOW_REUSEPORT, .value.integer = 0 }, /* two nodes, one port: an error */
    };
    size_t count = sizeof(settings) / sizeof(settings[0]);
    for (size_t i = 0; i < count; i++) {
        settings[i].type = GRPC_ARG_INTEGER;
    }
    grpc_channel_args args = { count, settings };
    return grpc_server_create(&args, NULL);
}

/* Writes node->addr, unless the user said what it is. */
static bool listen_on(struct server *server, const char *addr)
{
    int port = grpc_server_add_http2_port(server->core, addr, server->node->plugin.server);
    const char *colon = strrchr(addr, ':');
    if (port == 0 || colon == NULL) {
        complain("cannot listen on %s: in use, or no \"address:port\" of this machine", addr);
        return false;
    }
    char *ours = server->node->addr;
    if (ours[0] == '\0') {
        snprintf(ours, ADDR_MAX_BYTES, "%.*s:%d", (int)(colon - addr), addr, port);
    }
    return true;
}

static bool start_threads(struct server *server, unsigned threads)
{
    server->threads = calloc(threads, sizeof(*server->threads));
    if (server->threads == NULL) {
        return false;
    }
    grpc_server_start(server->core);
    while (server->threads_len < threads) {
        pthread_t *next = &server->threads[server->threads_len];
        if (pthread_create(next, NULL, poll_queue, server) != 0) {
            break;
        }
        server->threads_len++;
    }
    return server->threads_len > 0;
}

struct server *server_start(struct node *node, const char *addr, unsigned threads)
{
    struct server *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        complain("no memory for a server");
        return NULL;
    }
    server->stopped.handle = on_stopped;
    server->node = node;
    sem_init(&server->no_calls, 0, 0);
    server->queue = grpc_completion_queue_create_for_next(NULL);
    server->core = make_core();
    grpc_server_register_completion_queue(server->core, server->queue, NULL);
    if (!listen_on(server, addr)) {
        return discard(server);
    }
    node->neighbours =
        neighbours_new(node->addr, node->deadline_seconds, node->plugin.channel, server->queue);
    if (node->neighbours == NULL || !start_threads(server, threads)) {
        complain("no memory or no threads for a server");
        return discard(server);
    }
    for (unsigned i = 0; i < server->threads_len; i++) {
        offer(server); /* as many calls as threads: what a slow handler holds up stays bounded */
    }
    return server;
}
