/* SPDX-License-Identifier: Apache-2.0
 * The server: a completion queue, the threads that poll it, and the steps of a call. */
#ifndef EXAMPLE_NODE_SERVER_H
#define EXAMPLE_NODE_SERVER_H

#include <stdbool.h>

#include "node.h"

struct server;

/* Listens on `addr`; its port 0 becomes a free one. Writes node->addr, makes node->neighbours and
 * starts answering. gRPC signs on these threads: so many handshakes can be in the token at once.
 * NULL: the reason is on stderr. Owned: server_stop. */
struct server *server_start(struct node *node, const char *addr, unsigned threads);
/* Lets calls finish for a moment, cancels the rest, joins the threads, frees all. */
void server_stop(struct server *server);

#endif
