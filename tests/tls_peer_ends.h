/* SPDX-License-Identifier: Apache-2.0
 * What the stranger does alike as client and as server, on a connected socket that stays the
 * caller's. */
#ifndef NODEKEY_TESTS_TLS_PEER_ENDS_H
#define NODEKEY_TESTS_TLS_PEER_ENDS_H

#include "tls_peer.h"

/* Owned: SSL_CTX_free. */
SSL_CTX *tls_peer_context(const struct tls_peer *peer);
/* tls_peer_dial with a context that is kept, which is for many: making one costs more than a
 * handshake. Offers the one group that gRPC 1.51 takes, P-256, so that no peer comes twice. */
SSL_CTX *tls_peer_context_kept(const struct tls_peer *peer);
struct tls_result tls_peer_dial_kept(const struct tls_peer *peer, SSL_CTX *context, int port);
/* No read or write on the socket waits longer than some seconds. */
void tls_peer_bound_waiting(int fd);
struct tls_result tls_peer_converse(const struct tls_peer *peer, SSL_CTX *context, int fd,
                                    bool as_client);
struct tls_result tls_peer_speak_plainly(int fd, bool as_client);

#endif
