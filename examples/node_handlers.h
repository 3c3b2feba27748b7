/* SPDX-License-Identifier: Apache-2.0
 * What each call of the protocol means. Knows nothing of batches and threads. */
#ifndef EXAMPLE_NODE_HANDLERS_H
#define EXAMPLE_NODE_HANDLERS_H

#include <grpc/grpc.h>

#include "node.h"

#define DETAILS_BYTES 1100

struct answer {
    grpc_status_code status;
    char details[DETAILS_BYTES]; /* for a status other than OK */
    grpc_byte_buffer *body;      /* owned; NULL then */
};

/* Takes *request (NULL if the peer sent none) and clears it. Any thread, concurrently. */
void handlers_answer(struct node *node, const char *method, grpc_call *call,
                     grpc_byte_buffer **request, struct answer *ret_answer);

#endif
