/* SPDX-License-Identifier: Apache-2.0
 * gRPC credentials out of a core. The only file that calls gRPC's experimental TLS functions. */
#ifndef NODEKEY_CREDENTIALS_H
#define NODEKEY_CREDENTIALS_H

#include "node/instance.h"

/* NK_E_USAGE: grpc_init was not called, or the host's gRPC core is not ours. The result is owned by
 * the caller and holds a reference to the core. */
MUST_USE nk_status credentials_server(struct core *core, struct grpc_server_credentials **ret,
                                      nk_error *err);
MUST_USE nk_status credentials_channel(struct core *core, struct grpc_channel_credentials **ret,
                                       nk_error *err);

/* After core_close: gives back what gRPC holds for our channels. Waits for gRPC, so never in a
 * forked child, nor the next two. */
void credentials_close(struct core *core);

/* The lent threads begin to end, which takes no time: before core_close, which may. */
void credentials_dismiss_polling(struct core *core);
/* Waits for them until `deadline_ms` of clock_now_ms; logs if some are left behind. After
 * core_close. */
void credentials_join_polling(struct core *core, long long deadline_ms);

#endif
