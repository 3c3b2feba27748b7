/* SPDX-License-Identifier: Apache-2.0
 * A stranger's host in C, on what is installed alone: talk_host.cc is the same in C++.
 *     talk_host /abs/nodekey.so node.json serve          prints its port; ends with its stdin
 *     talk_host /abs/nodekey.so node.json dial TARGET    prints who answered, and whom that saw */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <grpc/support/string_util.h>
#include <grpc/support/time.h>
#include <nodekey/load.h>

#define POLL_MS 50
#define CALL_MS 60000

static const nk_plugin *nk;
static nk_instance *node;

static void print_line(void *host_data, int32_t level, const char *line)
{
    (void)host_data, (void)level;
    fprintf(stderr, "nodekey: %s\n", line);
}

/* Owned: free. */
static char *uri_of_peer(grpc_call *call, uint32_t role)
{
    nk_peer *peer = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    char *uri = NULL;
    grpc_auth_context *context = grpc_call_auth_context(call);
    if (nk->peer_identity(node, role, context, &peer, &err) == NK_OK) {
        uri = peer->names_len > 0 ? strdup(peer->names[0].text) : NULL;
        nk->free_peer(peer);
    }
    grpc_auth_context_release(context);
    return uri != NULL ? uri : strdup(err.text);
}

static gpr_timespec in_ms(int ms)
{
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(ms, GPR_TIMESPAN));
}

/* --- serve --- */

static void answer_call(grpc_call *call, grpc_completion_queue *queue)
{
    char *uri = uri_of_peer(call, NK_PEER_IS_CLIENT);
    grpc_metadata who = { .key = grpc_slice_from_static_string("who"),
                          .value = grpc_slice_from_copied_string(uri) };
    int cancelled = 0;
    const grpc_op ops[] = {
        { .op = GRPC_OP_SEND_INITIAL_METADATA },
        { .op = GRPC_OP_SEND_STATUS_FROM_SERVER,
          .data.send_status_from_server = { .trailing_metadata_count = 1,
                                            .trailing_metadata = &who,
                                            .status = GRPC_STATUS_OK } },
        { .op = GRPC_OP_RECV_CLOSE_ON_SERVER, .data.recv_close_on_server.cancelled = &cancelled },
    };
    (void)grpc_call_start_batch(call, ops, 3, NULL, NULL);
    (void)grpc_completion_queue_next(queue, in_ms(CALL_MS), NULL);
    grpc_slice_unref(who.value);
    free(uri);
}

static int stdin_ended(void)
{
    struct pollfd in = { .fd = 0, .events = POLLIN };

    return poll(&in, 1, 0) > 0;
}

/* Calls, one after the other, until stdin ends. */
static void serve_calls(grpc_server *server, grpc_completion_queue *queue)
{
    int requested = 0;
    grpc_call *call = NULL;
    grpc_call_details details;
    grpc_metadata_array initial;

    grpc_call_details_init(&details);
    grpc_metadata_array_init(&initial);
    while (!stdin_ended()) {
        if (!requested) {
            grpc_server_request_call(server, &call, &details, &initial, queue, queue, NULL);
            requested = 1;
        }
        grpc_event event = grpc_completion_queue_next(queue, in_ms(POLL_MS), NULL);
        if (event.type == GRPC_OP_COMPLETE && event.success != 0) {
            answer_call(call, queue);
            grpc_call_unref(call);
            grpc_call_details_destroy(&details);
            grpc_metadata_array_destroy(&initial);
            grpc_call_details_init(&details);
            grpc_metadata_array_init(&initial);
            requested = 0;
        }
    }
    grpc_server_shutdown_and_notify(server, queue, queue);
    grpc_completion_queue_shutdown(queue);
    while (grpc_completion_queue_next(queue, in_ms(CALL_MS), NULL).type == GRPC_OP_COMPLETE) {
    }
    grpc_call_details_destroy(&details);
    grpc_metadata_array_destroy(&initial);
}

static int serve(nk_error *err)
{
    grpc_server_credentials *credentials = NULL;
    if (nk->server_credentials(node, &credentials, err) != NK_OK) {
        return fprintf(stderr, "%s\n", err->text), 1;
    }
    grpc_completion_queue *queue = grpc_completion_queue_create_for_next(NULL);
    grpc_server *server = grpc_server_create(NULL, NULL);
    grpc_server_register_completion_queue(server, queue, NULL);
    int port = grpc_server_add_http2_port(server, "127.0.0.1:0", credentials);
    grpc_server_credentials_release(credentials);
    grpc_server_start(server);
    printf("%d\n", port);
    fflush(stdout);
    serve_calls(server, queue);
    grpc_server_destroy(server);
    grpc_completion_queue_destroy(queue);
    return port == 0;
}

/* --- dial --- */

/* Owned: gpr_free. */
static char *who_of(const grpc_metadata_array *trailing)
{
    for (size_t i = 0; i < trailing->count; i++) {
        if (grpc_slice_str_cmp(trailing->metadata[i].key, "who") == 0) {
            return grpc_slice_to_c_string(trailing->metadata[i].value);
        }
    }
    return gpr_strdup("nobody");
}

static int call_server(grpc_channel *channel, grpc_completion_queue *queue)
{
    grpc_status_code status = GRPC_STATUS_UNKNOWN;
    grpc_slice details = grpc_empty_slice();
    grpc_metadata_array initial, trailing;
    grpc_metadata_array_init(&initial);
    grpc_metadata_array_init(&trailing);
    grpc_call *call = grpc_channel_create_call(channel, NULL, GRPC_PROPAGATE_DEFAULTS, queue,
                                               grpc_slice_from_static_string("/talk.Host/Who"),
                                               NULL, in_ms(CALL_MS), NULL);
    const grpc_op ops[] = {
        { .op = GRPC_OP_SEND_INITIAL_METADATA },
        { .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT },
        { .op = GRPC_OP_RECV_INITIAL_METADATA,
          .data.recv_initial_metadata.recv_initial_metadata = &initial },
        { .op = GRPC_OP_RECV_STATUS_ON_CLIENT,
          .data.recv_status_on_client = { .trailing_metadata = &trailing,
                                          .status = &status,
                                          .status_details = &details } },
    };
    (void)grpc_call_start_batch(call, ops, 4, NULL, NULL);
    (void)grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    char *text = status == GRPC_STATUS_OK ? who_of(&trailing) : grpc_slice_to_c_string(details);
    if (status == GRPC_STATUS_OK) {
        char *uri = uri_of_peer(call, NK_PEER_IS_SERVER);
        printf("talked to %s, which saw %s\n", uri, text);
        free(uri);
    } else {
        fprintf(stderr, "status %d: %s\n", (int)status, text);
    }
    gpr_free(text);
    grpc_slice_unref(details);
    grpc_metadata_array_destroy(&initial);
    grpc_metadata_array_destroy(&trailing);
    grpc_call_unref(call);
    return status != GRPC_STATUS_OK;
}

static int dial(const char *target, nk_error *err)
{
    grpc_channel_credentials *credentials = NULL;
    if (nk->channel_credentials(node, &credentials, err) != NK_OK) {
        return fprintf(stderr, "%s\n", err->text), 1;
    }
    grpc_completion_queue *queue = grpc_completion_queue_create_for_next(NULL);
    grpc_channel *channel = grpc_channel_create(target, credentials, NULL);
    grpc_channel_credentials_release(credentials);
    int failed = call_server(channel, queue);
    grpc_channel_destroy(channel);
    grpc_completion_queue_shutdown(queue);
    grpc_completion_queue_destroy(queue);
    return failed;
}

int main(int argc, char **argv)
{
    nk_error err = { .struct_size = sizeof(err) };
    nk_host host = { .struct_size = sizeof(host) };
    host.grpc_version = grpc_version_string;
    host.log = print_line;
    nk = nk_load(argc >= 4 ? argv[1] : NULL, &err);
    grpc_init();
    if (nk == NULL || nk->open_file(&host, argv[2], &node, &err) != NK_OK) {
        return fprintf(stderr, "%s\n", err.text), 1;
    }
    int failed = argc == 5 ? dial(argv[4], &err) : serve(&err);
    (void)nk->close(node, &err);
    grpc_shutdown();
    return failed;
}
