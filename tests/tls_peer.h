/* SPDX-License-Identifier: Apache-2.0
 * A peer without gRPC and without nodekey: plain OpenSSL, its key in memory. It plays strangers and
 * nodes of another make. */
#ifndef NODEKEY_TESTS_TLS_PEER_H
#define NODEKEY_TESTS_TLS_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

#define TLS_PEER_ISSUERS 3

struct tls_peer {
    X509 *certificate; /* NULL: shows none */
    EVP_PKEY *key;
    X509 *issuers[TLS_PEER_ISSUERS]; /* sent beside the certificate, in order */
    X509 *root;                      /* what it trusts; NULL: anything */
    int version;                     /* the only one it speaks; 0: TLS 1.2 and 1.3 */
    bool plaintext;
    bool no_tickets;       /* TLS 1.2: resumes what the server remembers, not what it was given */
    STACK_OF(X509) *more;  /* sent after the issuers; may be NULL */
    unsigned patience_s;   /* with a silent other side; 0: 5 */
    const char *says;      /* the payload of its call; NULL: "hi" */
    SSL_SESSION **session; /* NULL: never resumes; else offered if set, then replaced (owned),
                              also after a refusal if there is one to resume */
};

struct tls_result {
    bool accepted; /* the other side let us in */
    bool resumed;  /* without a signature on either side */
    int version;   /* TLS1_2_VERSION, ...; 0 without a handshake */
    char why[256]; /* how far it came */
};

/* Dials 127.0.0.1 and calls, without waiting to be let in. Accepted: the call was answered. */
struct tls_result tls_peer_dial(const struct tls_peer *peer, int port);

/* Listens on 127.0.0.1, port 0, one connection at a time, until stopped. Accepted: the client's
 * HTTP/2 preface came. */
struct tls_listener *tls_peer_listen(const struct tls_peer *peer);
const char *tls_listener_address(const struct tls_listener *listener);
/* Waits until a connection was served to its end, at most some seconds; then the last result. */
struct tls_result tls_listener_wait(struct tls_listener *listener);
size_t tls_listener_accepted(struct tls_listener *listener);
void tls_listener_stop(struct tls_listener *listener);

#endif
