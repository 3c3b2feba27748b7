/* SPDX-License-Identifier: Apache-2.0
 * TLS over a wire, as gRPC 1.51 speaks it as a client. Through memory, so that what the peer sent
 * is looked at before OpenSSL does. All [any], one thread for each connection. */
#ifndef NODEKEY_DIAL_TLS_H
#define NODEKEY_DIAL_TLS_H

#include <openssl/ssl.h>

#include "dial/seen.h"
#include "dial/wire.h"

/* gRPC's settings with our certificate and key. Who answers is not verified here: our policy judges
 * it, as in the node. Owned: SSL_CTX_free. Errors of dial_peer. */
MUST_USE nk_status tls_context(const struct dial_order *order, SSL_CTX **ret_context,
                               nk_error *err);

struct tls {
    SSL *ssl;
    BIO *from_peer; /* both are the SSL's */
    BIO *to_peer;
    struct wire *wire;
    struct seen seen;
};

/* False: no memory. `tls` stays where it is. Owned: tls_clear. */
MUST_USE bool tls_begin(struct tls *tls, SSL_CTX *context, const char *host, struct wire *wire);
void tls_clear(struct tls *tls);

/* DIAL_FINE: it is done. Otherwise why not; more of it in `detail`. */
enum dial_end tls_shake_hands(struct tls *tls, char detail[NK_DETAIL_BYTES]);
/* After the handshake: DIAL_FINE, or how the peer ended the connection. Reads one byte or more. */
enum dial_end tls_read(struct tls *tls, void *bytes, size_t room, size_t *ret_len,
                       char detail[NK_DETAIL_BYTES]);
enum dial_end tls_write(struct tls *tls, const void *bytes, size_t len,
                        char detail[NK_DETAIL_BYTES]);
/* Says goodbye, and does not wait for an answer. */
void tls_end(struct tls *tls);

#endif
