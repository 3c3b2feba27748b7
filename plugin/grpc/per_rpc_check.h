/* SPDX-License-Identifier: Apache-2.0
 * Connections that live on while the policy changes: each RPC over our credentials asks whether its
 * peer is still admitted. */
#ifndef NODEKEY_PER_RPC_CHECK_H
#define NODEKEY_PER_RPC_CHECK_H

#include "grpc/core.h"
#include "judge/verdicts.h"

/* Inbound: a refused RPC ends with status 16 and reaches no handler. Once per credentials. */
void per_rpc_check_server(struct verdicts *verdicts, grpc_server_credentials *credentials);
/* Outbound: call credentials without metadata, to be composed into channel credentials; a refused
 * RPC is not sent (gRPC reports status 14). NULL: gRPC makes none. Owned:
 * grpc_call_credentials_release. */
MUST_USE grpc_call_credentials *per_rpc_check_channel(struct verdicts *verdicts);

#endif
