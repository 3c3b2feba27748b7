/* SPDX-License-Identifier: Apache-2.0
 * What the stranger does alike as client and as server, on a connected socket that stays the
 * caller's. */
#ifndef NODEKEY_TESTS_TLS_PEER_ENDS_H
#define NODEKEY_TESTS_TLS_PEER_ENDS_H

#include "tls_peer.h"

/* Owned: SSL_CTX_free. */
SSL_CTX *tls_peer_context(const struct tls_peer *peer);
/* No read or write on the socket waits longer than some seconds. */
void tls_peer_bound_waiting(const struct tls_peer *peer, int fd);
struct tls_result tls_peer_converse(const struct tls_peer *peer, SSL_CTX *context, int fd,
                                    bool as_client);
struct tls_result tls_peer_speak_plainly(int fd, bool as_client);

#endif
