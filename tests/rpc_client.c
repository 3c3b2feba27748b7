/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>

#include "rpc.h"

#define PAYLOAD "is anybody there?"
#define RECONNECT_MS 50
#define SHUTDOWN_WAIT_MS 30000

bool rpc_shuts_down(void)
{
    grpc_shutdown();
    for (int waited_ms = 0; grpc_is_initialized() != 0; waited_ms++) {
        if (waited_ms == SHUTDOWN_WAIT_MS) {
            fprintf(stderr, "rpc client: gRPC does not shut down\n");
            return false;
        }
        gpr_sleep_until(
            gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(1, GPR_TIMESPAN)));
    }
    return true;
}

void rpc_shutdown(void)
{
    if (!rpc_shuts_down()) {
        abort();
    }
}

grpc_channel *rpc_channel(grpc_channel_credentials *credentials, const char *address)
{
    grpc_arg args[] = {
        { .type = GRPC_ARG_INTEGER, .key = GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, .value.integer = 1 },
        { .type = GRPC_ARG_INTEGER,
          .key = GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS,
          .value.integer = RECONNECT_MS },
        { .type = GRPC_ARG_INTEGER,
          .key = GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
          .value.integer = RECONNECT_MS },
        { .type = GRPC_ARG_INTEGER, .key = GRPC_ARG_ENABLE_HTTP_PROXY, .value.integer = 0 },
    };
    grpc_channel_args all = { .num_args = sizeof(args) / sizeof(args[0]), .args = args };
    return grpc_channel_create(address, credentials, &all);
}

struct call {
    grpc_metadata_array initial;
    grpc_metadata_array trailing;
    grpc_byte_buffer *sent;
    grpc_byte_buffer *received;
    grpc_slice details;
};

static bool is_echo(grpc_byte_buffer *received)
{
    grpc_byte_buffer_reader reader;
    if (received == NULL || grpc_byte_buffer_reader_init(&reader, received) == 0) {
        return false;
    }
    grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
    bool equal = grpc_slice_str_cmp(all, PAYLOAD) == 0;
    grpc_slice_unref(all);
    grpc_byte_buffer_reader_destroy(&reader);
    return equal;
}

static struct rpc_result run(grpc_call *call, grpc_completion_queue *queue, struct call *io,
                             uint32_t flags)
{
    struct rpc_result result = { .status = GRPC_STATUS_UNKNOWN };
    const grpc_op ops[] = {
        { .op = GRPC_OP_SEND_INITIAL_METADATA, .flags = flags },
        { .op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = io->sent },
        { .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT },
        { .op = GRPC_OP_RECV_INITIAL_METADATA,
          .data.recv_initial_metadata.recv_initial_metadata = &io->initial },
        { .op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &io->received },
        { .op = GRPC_OP_RECV_STATUS_ON_CLIENT,
          .data.recv_status_on_client = { .trailing_metadata = &io->trailing,
                                          .status = &result.status,
                                          .status_details = &io->details } },
    };
    if (grpc_call_start_batch(call, ops, sizeof(ops) / sizeof(ops[0]), io, NULL) != GRPC_CALL_OK) {
        fprintf(stderr, "rpc client: grpc_call_start_batch failed\n");
        abort();
    }
    grpc_completion_queue_pluck(queue, io, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    result.ok = result.status == GRPC_STATUS_OK && is_echo(io->received);
    char *text = grpc_slice_to_c_string(io->details);
    snprintf(result.details, sizeof(result.details), "%s", text);
    gpr_free(text);
    return result;
}

static struct rpc_result call_with(grpc_channel *channel, unsigned deadline_ms, uint32_t flags)
{
    grpc_completion_queue *queue = grpc_completion_queue_create_for_pluck(NULL);
    gpr_timespec deadline =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(deadline_ms, GPR_TIMESPAN));
    grpc_call *call = grpc_channel_create_call(
        channel, NULL, GRPC_PROPAGATE_DEFAULTS, queue,
        grpc_slice_from_static_string("/nodekey.test.Echo/Echo"), NULL, deadline, NULL);
    struct call io = { .details = grpc_empty_slice() };
    grpc_slice payload = grpc_slice_from_static_string(PAYLOAD);
    io.sent = grpc_raw_byte_buffer_create(&payload, 1);
    grpc_metadata_array_init(&io.initial);
    grpc_metadata_array_init(&io.trailing);
    struct rpc_result result = run(call, queue, &io, flags);
    grpc_slice_unref(io.details);
    grpc_metadata_array_destroy(&io.initial);
    grpc_metadata_array_destroy(&io.trailing);
    grpc_byte_buffer_destroy(io.sent);
    grpc_byte_buffer_destroy(io.received);
    grpc_call_unref(call);
    grpc_completion_queue_shutdown(queue);
    grpc_completion_queue_destroy(queue);
    return result;
}

struct rpc_result rpc_call(grpc_channel *channel, unsigned deadline_ms)
{
    return call_with(channel, deadline_ms, 0);
}

struct rpc_result rpc_call_when_ready(grpc_channel *channel, unsigned deadline_ms)
{
    return call_with(channel, deadline_ms, GRPC_INITIAL_METADATA_WAIT_FOR_READY);
}

struct rpc_result rpc_dial(grpc_channel_credentials *credentials, const char *address,
                           unsigned deadline_ms)
{
    grpc_channel *channel = rpc_channel(credentials, address);
    struct rpc_result result = rpc_call(channel, deadline_ms);
    grpc_channel_destroy(channel);
    return result;
}
