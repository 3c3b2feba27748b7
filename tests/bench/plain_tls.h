/* SPDX-License-Identifier: Apache-2.0
 * gRPC's own TLS without us: it verifies both ends by the root. */
#ifndef NODEKEY_BENCH_PLAIN_TLS_H
#define NODEKEY_BENCH_PLAIN_TLS_H

#include "fixtures/federation.h"
#include "fixtures/wire/grpc_credentials.h"

struct plain_tls {
    const char *key; /* PEM, or "engine:ID:KEY" */
    const char *chain;
    const char *root;
};

/* A member by its certificate; the key is in memory. Texts live until the process ends. */
struct plain_tls plain_tls_member(const struct federation *federation, const char *label,
                                  const char *key_type);
/* Owned: grpc_server_credentials_release, grpc_channel_credentials_release. */
grpc_server_credentials *plain_tls_server(const struct plain_tls *end);
grpc_channel_credentials *plain_tls_channel(const struct plain_tls *end);

#endif
