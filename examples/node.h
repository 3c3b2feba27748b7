/* SPDX-License-Identifier: Apache-2.0
 * What the parts of the example node share. */
#ifndef EXAMPLE_NODE_H
#define EXAMPLE_NODE_H

#include <stdbool.h>
#include <stddef.h>

#include <grpc/grpc.h>

#include "node_neighbours.h"
#include "node_plugin.h"
#include "node_seen.h"

#define ADDR_MAX_BYTES 256
#define MESSAGE_MAX_BYTES (1024 * 1024 * 1024) /* as P2PFL allows */
#define GOSSIP_TTL 10                          /* P2PFL's default, and the most that we pass on */

struct node {
    struct plugin plugin;
    char addr[ADDR_MAX_BYTES]; /* "host:port": where peers reach us, and what we claim to be */
    int deadline_seconds;      /* of every call that we make */
    bool stop;                 /* SIGTERM or SIGINT came; main thread only */
    struct seen seen;
    struct neighbours *neighbours;
};

/* One event, one line: `say` to stdout, `complain` to stderr. Any thread. */
void say(const char *fmt, ...) __attribute__((__format__(__printf__, 1, 2)));
void complain(const char *fmt, ...) __attribute__((__format__(__printf__, 1, 2)));

/* Did SIGTERM or SIGINT come? Waits at most that long for a signal; a SIGHUP is a plugin_reload,
 * here and now. Main thread only; the three signals are blocked in every thread, so none is
 * interrupted. */
bool stop_requested(struct node *node, int wait_ms);

/* Every tag that we put on the node's completion queue begins with this. `ok` as in grpc_event. */
struct event {
    void (*handle)(struct event *self, bool ok);
};

#endif
