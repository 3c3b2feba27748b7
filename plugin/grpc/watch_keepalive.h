/* SPDX-License-Identifier: Apache-2.0
 * Keeps a certificate provider watched. gRPC drops a provider's material when its last watcher
 * goes, and tells the provider outside its lock: a channel that starts at that moment gets no
 * material and fails for good (measured with two threads: 1 dial in 18,000 on 1.51, with a watcher
 * of files; 1 in 3,000 on 1.83, with a provider in memory). So one watcher must always be there: a
 * server that is never started, on a socket in our own folder, else on an abstract one. */
#ifndef NODEKEY_WATCH_KEEPALIVE_H
#define NODEKEY_WATCH_KEEPALIVE_H

#include "base/auto.h"
#include "grpc/core.h"
#include "nodekey/plugin.h"

struct keepalive;

/* Takes over `credentials`, whose options watch the provider. `path` is where the socket goes; it
 * must not be there. NULL: nowhere, its name is random. Holds a grpc_init, so that the host's own
 * grpc_shutdown may come first. *ret_keepalive is owned: watch_keepalive_stop. */
MUST_USE nk_status watch_keepalive_start(grpc_server_credentials *credentials, const char *path,
                                         struct keepalive **ret_keepalive, nk_error *err);
/* NULL is allowed. */
void watch_keepalive_stop(struct keepalive *keepalive);

#endif
