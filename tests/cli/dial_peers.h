/* SPDX-License-Identifier: Apache-2.0
 * Peers to be dialled, each told what to do with a connection: from those that never take it to
 * those that speak TLS and HTTP/2 well. Failures of the fixture abort. */
#ifndef NODEKEY_TESTS_DIAL_PEERS_H
#define NODEKEY_TESTS_DIAL_PEERS_H

#include <stdbool.h>
#include <stddef.h>

#include "fixtures/wire/tls_peer.h"

#define SETTINGS_FRAME "\0\0\6\4\0\0\0\0\0\0\3\0\0\0\144" /* as gRPC sends first */

/* A peer without TLS, or that breaks it. */
struct plain_script {
    const char *says; /* after the client began, unless `first`; NULL: nothing */
    size_t says_len;  /* 0: strlen */
    bool first;
    bool stays;        /* until the client goes; else it closes */
    bool endless;      /* says it again and again */
    unsigned pause_ms; /* between two bytes */
    size_t tls_bytes;  /* of a real server's part of the handshake, TLS 1.2; then it closes */
    bool damages;      /* one byte of it, another for each client */
};

/* A peer that speaks TLS. */
struct tls_script {
    int version;                /* the only one; 0: 1.2 and 1.3 */
    const char *chooses;        /* by ALPN, as OpenSSL's list; NULL: "\2h2"; "": it knows no ALPN */
    bool asks_nobody;           /* for a certificate */
    X509 *trusts;               /* a root for client certificates; NULL: any client is good */
    bool names_cas;             /* tells clients about `trusts` */
    const char *groups;         /* NULL: OpenSSL's */
    const char *client_schemes; /* NULL: OpenSSL's */
    const char *says;           /* after the handshake; NULL: SETTINGS_FRAME */
    size_t says_len;            /* 0: strlen */
    unsigned pause_ms;          /* between two bytes */
    bool silent;                /* says nothing, and stays */
    bool endless_tickets;       /* instead of a word, TLS 1.3 */
    void (*meets)(void);        /* when a client comes, before the handshake */
    bool leaves;                /* closes after the handshake */
};

struct dial_peer_server;

/* Each listens on 127.0.0.1 and serves one connection at a time. `identity` is the server's. */
struct dial_peer_server *dial_plain_server(const struct plain_script *script,
                                           const struct tls_peer *identity);
struct dial_peer_server *dial_tls_server(const struct tls_script *script,
                                         const struct tls_peer *identity);
/* Takes no connection: those that come wait in its queue, or, if it is full, are not answered. */
struct dial_peer_server *dial_deaf_server(bool full);
int dial_server_port(const struct dial_peer_server *server);
void dial_server_stop(struct dial_peer_server *server);

/* A port that nobody listens on. */
int dial_closed_port(void);

#endif
