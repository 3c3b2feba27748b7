/* SPDX-License-Identifier: Apache-2.0
 * A node that serves in a process of its own: gRPC's pollers are one crowd per process, so what one
 * node does with its threads shows only where no other has any. */
#ifndef NODEKEY_TESTS_NODE_PROCESS_H
#define NODEKEY_TESTS_NODE_PROCESS_H

#include "federation.h"

struct node_process;

/* Opens the member's node with this patch and echoes on 127.0.0.1, polling with so many threads.
 * Forks: before anything of this process has threads or gRPC. Returns when it serves. */
struct node_process *node_process_start(const struct member *member, const char *patch,
                                        unsigned threads);
int node_process_port(const struct node_process *process);
/* Aborts when it did not end well. */
void node_process_stop(struct node_process *process);

#endif
