/* SPDX-License-Identifier: Apache-2.0
 * One unary call as a client. */
#ifndef EXAMPLE_NODE_CALLS_H
#define EXAMPLE_NODE_CALLS_H

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#define METHOD_HANDSHAKE "/node.NodeServices/handshake"
#define METHOD_DISCONNECT "/node.NodeServices/disconnect"
#define METHOD_SEND "/node.NodeServices/send"
#define REPLY_TEXT_BYTES 1024

struct route {
    grpc_channel *channel;
    grpc_completion_queue *queue;
    int deadline_seconds;
};

/* Zero it, start it, and clear it once its tag came back. */
struct unary {
    grpc_call *call;
    grpc_byte_buffer *request;
    grpc_byte_buffer *answer; /* NULL unless `status` is OK */
    grpc_metadata_array initial;
    grpc_metadata_array trailing;
    grpc_status_code status;
    grpc_slice details;
};

/* Connects with the first call. Owned: grpc_channel_destroy. */
grpc_channel *calls_dial(grpc_channel_credentials *credentials, const char *addr);
/* Takes `request`. `tag` comes back on the queue in any case, at the latest after the deadline. */
void unary_start(struct unary *unary, const struct route *route, const char *method,
                 grpc_byte_buffer *request, void *tag);
void unary_cancel(struct unary *unary);
/* "UNAVAILABLE: ..." of one that came back. Returns `text`. */
const char *unary_text(const struct unary *unary, char text[REPLY_TEXT_BYTES]);
void unary_clear(struct unary *unary);

#endif
