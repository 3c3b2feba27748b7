/* SPDX-License-Identifier: Apache-2.0
 * gRPC credentials out of a core. The only file that calls gRPC's experimental TLS functions. */
#ifndef NODEKEY_CREDENTIALS_H
#define NODEKEY_CREDENTIALS_H

#include <grpc/grpc_security.h>

#include "core.h"

/* NK_E_USAGE: grpc_init was not called, or the host's gRPC core is not ours. The result is owned by
 * the caller and holds a reference to the core. */
MUST_USE nk_status credentials_server(struct core *core, grpc_server_credentials **ret,
                                      nk_error *err);
MUST_USE nk_status credentials_channel(struct core *core, grpc_channel_credentials **ret,
                                       nk_error *err);

/* Before core_close: the lent threads begin to end. Like the next, never in a forked child. */
void credentials_dismiss(struct core *core);
/* After core_close: gives back what gRPC holds for our channels, and waits for the lent threads
 * until `deadline_ms` of clock_now_ms. */
void credentials_close(struct core *core, long long deadline_ms);

#endif
