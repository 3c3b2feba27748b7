/* SPDX-License-Identifier: Apache-2.0
 * A call that stays open, over the server of rpc.h: it answers with initial metadata and then
 * nothing until somebody ends it. */
#ifndef NODEKEY_TESTS_RPC_STREAM_H
#define NODEKEY_TESTS_RPC_STREAM_H

#include "rpc.h"

struct rpc_stream;

/* NULL: it ended before the server accepted it; then *ret_result says how. */
struct rpc_stream *rpc_stream_open(grpc_channel *channel, struct rpc_result *ret_result);
/* Lives as long as the stream. */
grpc_call *rpc_stream_call(struct rpc_stream *stream);
/* Waits at most so long for its end. False: it is still open. */
bool rpc_stream_wait(struct rpc_stream *stream, unsigned wait_ms, struct rpc_result *ret_result);
/* Cancels what is open, frees. */
void rpc_stream_close(struct rpc_stream *stream);

#endif
