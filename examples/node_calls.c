/* SPDX-License-Identifier: Apache-2.0 */
#include "node_calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>
#include <grpc/support/time.h>

#include "node.h"

#define REDIAL_MS 200 /* gRPC's first pause is a second: long for a node that is just starting */
#define REDIAL_MAX_MS 5000

grpc_channel *calls_dial(grpc_channel_credentials *credentials, const char *addr)
{
    grpc_arg settings[] = {
        { .key = GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, .value.integer = MESSAGE_MAX_BYTES },
        { .key = GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, .value.integer = MESSAGE_MAX_BYTES },
        { .key = GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, .value.integer = REDIAL_MS },
        { .key = GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, .value.integer = REDIAL_MAX_MS },
    };
    size_t count = sizeof(settings) / sizeof(settings[0]);
    for (size_t i = 0; i < count; i++) {
        settings[i].type = GRPC_ARG_INTEGER;
    }
    grpc_channel_args args = { count, settings };
    return grpc_channel_create(addr, credentials, &args);
}

void unary_start(struct unary *unary, const struct route *route, const char *method,
                 grpc_byte_buffer *request, void *tag)
{
    gpr_timespec wait = gpr_time_from_seconds(route->deadline_seconds, GPR_TIMESPAN);
    unary->call =
        grpc_channel_create_call(route->channel, NULL, GRPC_PROPAGATE_DEFAULTS, route->queue,
                                 grpc_slice_from_static_string(method), NULL,
                                 gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), wait), NULL);
    unary->request = request;
    unary->details = grpc_empty_slice();
    grpc_metadata_array_init(&unary->initial);
    grpc_metadata_array_init(&unary->trailing);

    grpc_op ops[6] = {
        { .op = GRPC_OP_SEND_INITIAL_METADATA },  { .op = GRPC_OP_SEND_MESSAGE },
        { .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT }, { .op = GRPC_OP_RECV_INITIAL_METADATA },
        { .op = GRPC_OP_RECV_MESSAGE },           { .op = GRPC_OP_RECV_STATUS_ON_CLIENT }
    };
    ops[1].data.send_message.send_message = request;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &unary->initial;
    ops[4].data.recv_message.recv_message = &unary->answer;
    ops[5].data.recv_status_on_client.trailing_metadata = &unary->trailing;
    ops[5].data.recv_status_on_client.status = &unary->status;
    ops[5].data.recv_status_on_client.status_details = &unary->details;
    grpc_call_error refused =
        grpc_call_start_batch(unary->call, ops, sizeof(ops) / sizeof(ops[0]), tag, NULL);
    if (refused != GRPC_CALL_OK) {
        complain("%s: grpc_call_start_batch: %d", method, (int)refused);
        abort(); /* a batch of our own making is malformed: the tag would never come back */
    }
}

void unary_cancel(struct unary *unary)
{
    grpc_call_cancel(unary->call, NULL);
}

const char *unary_text(const struct unary *unary, char text[REPLY_TEXT_BYTES])
{
    static const char *const names[] = {
        "OK",        "CANCELLED",       "UNKNOWN",           "INVALID_ARGUMENT", "DEADLINE",
        "NOT_FOUND", "ALREADY_EXISTS",  "PERMISSION_DENIED", "EXHAUSTED",        "PRECONDITION",
        "ABORTED",   "OUT_OF_RANGE",    "UNIMPLEMENTED",     "INTERNAL",         "UNAVAILABLE",
        "DATA_LOSS", "UNAUTHENTICATED",
    };
    size_t code = (size_t)unary->status;
    const char *name = code < sizeof(names) / sizeof(names[0]) ? names[code] : "UNKNOWN";
    snprintf(text, REPLY_TEXT_BYTES, "%s: %.*s", name, (int)GRPC_SLICE_LENGTH(unary->details),
             (const char *)GRPC_SLICE_START_PTR(unary->details));
    for (char *byte = text; *byte != '\0'; byte++) {
        if ((unsigned char)*byte < ' ') {
            *byte = '?'; /* the other side wrote it: one line stays one line */
        }
    }
    return text;
}

void unary_clear(struct unary *unary)
{
    grpc_metadata_array_destroy(&unary->initial);
    grpc_metadata_array_destroy(&unary->trailing);
    grpc_byte_buffer_destroy(unary->request);
    grpc_byte_buffer_destroy(unary->answer);
    grpc_slice_unref(unary->details);
    grpc_call_unref(unary->call);
    memset(unary, 0, sizeof(*unary));
}
