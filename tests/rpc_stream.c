/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc_stream.h"

#include <stdio.h>
#include <stdlib.h>

#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>

#define CALL_DEADLINE_MS 120000
#define END_WAIT_MS 100 /* between the end of initial metadata and the status of a refused call */

struct rpc_stream {
    grpc_completion_queue *queue;
    grpc_call *call;
    grpc_metadata_array initial;
    grpc_metadata_array trailing;
    grpc_slice details;
    grpc_status_code status;
    bool ended;
};

static gpr_timespec in_ms(unsigned ms)
{
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(ms, GPR_TIMESPAN));
}

static void start(struct rpc_stream *stream, const grpc_op *ops, size_t len, void *tag)
{
    if (grpc_call_start_batch(stream->call, ops, len, tag, NULL) != GRPC_CALL_OK) {
        fprintf(stderr, "rpc stream: grpc_call_start_batch failed\n");
        abort();
    }
}

/* The tags are the addresses of what the batch fills. */
static struct rpc_stream *begin(grpc_channel *channel)
{
    struct rpc_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL) {
        abort();
    }
    stream->queue = grpc_completion_queue_create_for_pluck(NULL);
    stream->call = grpc_channel_create_call(channel, NULL, GRPC_PROPAGATE_DEFAULTS, stream->queue,
                                            grpc_slice_from_static_string(RPC_HOLD_METHOD), NULL,
                                            in_ms(CALL_DEADLINE_MS), NULL);
    stream->details = grpc_empty_slice();
    grpc_metadata_array_init(&stream->initial);
    grpc_metadata_array_init(&stream->trailing);
    const grpc_op end[] = {
        { .op = GRPC_OP_RECV_STATUS_ON_CLIENT,
          .data.recv_status_on_client = { .trailing_metadata = &stream->trailing,
                                          .status = &stream->status,
                                          .status_details = &stream->details } },
    };
    const grpc_op open[] = {
        { .op = GRPC_OP_SEND_INITIAL_METADATA },
        { .op = GRPC_OP_RECV_INITIAL_METADATA,
          .data.recv_initial_metadata.recv_initial_metadata = &stream->initial },
    };
    start(stream, end, 1, &stream->status);
    start(stream, open, 2, &stream->initial);
    return stream;
}

struct rpc_stream *rpc_stream_open(grpc_channel *channel, struct rpc_result *ret_result)
{
    struct rpc_stream *stream = begin(channel);

    grpc_completion_queue_pluck(stream->queue, &stream->initial, gpr_inf_future(GPR_CLOCK_REALTIME),
                                NULL);
    if (stream->initial.count == 0 && rpc_stream_wait(stream, END_WAIT_MS, ret_result)) {
        rpc_stream_close(stream);
        return NULL;
    }
    return stream;
}

grpc_call *rpc_stream_call(struct rpc_stream *stream)
{
    return stream->call;
}

bool rpc_stream_wait(struct rpc_stream *stream, unsigned wait_ms, struct rpc_result *ret_result)
{
    if (!stream->ended) {
        grpc_event event =
            grpc_completion_queue_pluck(stream->queue, &stream->status, in_ms(wait_ms), NULL);
        stream->ended = event.type == GRPC_OP_COMPLETE;
    }
    if (stream->ended) {
        char *text = grpc_slice_to_c_string(stream->details);
        *ret_result = (struct rpc_result){ .status = stream->status };
        snprintf(ret_result->details, sizeof(ret_result->details), "%s", text);
        gpr_free(text);
    }
    return stream->ended;
}

void rpc_stream_close(struct rpc_stream *stream)
{
    struct rpc_result unread;

    if (!stream->ended) {
        grpc_call_cancel(stream->call, NULL);
        (void)rpc_stream_wait(stream, CALL_DEADLINE_MS, &unread);
    }
    grpc_slice_unref(stream->details);
    grpc_metadata_array_destroy(&stream->initial);
    grpc_metadata_array_destroy(&stream->trailing);
    grpc_call_unref(stream->call);
    grpc_completion_queue_shutdown(stream->queue);
    grpc_completion_queue_destroy(stream->queue);
    free(stream);
}
