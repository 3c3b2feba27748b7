/* SPDX-License-Identifier: Apache-2.0
 * Who shook hands with us, and passing messages on to them. Every function: any thread. */
#ifndef EXAMPLE_NODE_NEIGHBOURS_H
#define EXAMPLE_NODE_NEIGHBOURS_H

#include <stdbool.h>

#include <grpc/grpc_security.h>

#include "node.pb-c.h"

struct neighbours;

/* `own` is our address: it never becomes a neighbour. All three outlive the table, whose calls
 * complete on `queue`. NULL: no memory. Owned: neighbours_free. */
struct neighbours *neighbours_new(const char *own, int deadline_seconds,
                                  grpc_channel_credentials *credentials,
                                  grpc_completion_queue *queue);
/* Only after `queue` was drained. NULL is allowed. */
void neighbours_free(struct neighbours *neighbours);

/* `addr` was checked to be the peer's. Twice is once. False: the table is full. */
bool neighbours_add(struct neighbours *neighbours, const char *addr);
/* True if it was there. */
bool neighbours_remove(struct neighbours *neighbours, const char *addr);
/* Sends to each but `except` and does not wait. One that cannot be reached is dropped. */
void neighbours_send(struct neighbours *neighbours, const Node__RootMessage *message,
                     const char *except);
/* Cancels what is on the way, and sends no more. */
void neighbours_stop(struct neighbours *neighbours);

#endif
