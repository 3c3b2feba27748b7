/* SPDX-License-Identifier: Apache-2.0
 * One dial of a peer, as the node's gRPC makes it: which step it comes to, what the peer says, and
 * what our policy says of the peer. Dials as gRPC 1.51 does: TLS 1.2 and 1.3, the group P-256, its
 * cipher suites, server name indication, "h2" by ALPN, every address of a name in order, the next
 * one after any failure. */
#ifndef NODEKEY_DIAL_H
#define NODEKEY_DIAL_H

#include <stdbool.h>

#include <jansson.h>
#include <netdb.h>
#include <openssl/x509.h>

#include "judge/policy.h"

/* X(constant, label, meaning, advice): how far a dial came, the furthest last. Each is what the
 * peer did; our verdict on the peer is another matter. */
#define DIAL_ENDS(X)                                                                               \
    X(DIAL_NO_ADDRESS, "no-address", "the name has no address",                                    \
      "dial it by a name that DNS or /etc/hosts has")                                              \
    X(DIAL_UNREACHABLE, "unreachable", "there is no way to that address",                          \
      "see to address and route")                                                                  \
    X(DIAL_TIMED_OUT, "timed-out", "no host answers there, or a filter drops what we send",        \
      "see to address and filters")                                                                \
    X(DIAL_PORT_CLOSED, "port-closed", "the host is there, but nobody listens on that port",       \
      "start the node there, or dial the port that it listens on")                                 \
    X(DIAL_SILENT, "silent", "it takes the connection, and says nothing or too little in time",    \
      "see whether that node hangs, or its token; a port of another service is silent, too")       \
    X(DIAL_CLOSED, "closed", "it closes the connection before it shows a certificate",             \
      "see that node's log: its key fails, or it has no version of TLS, group or cipher suite of " \
      "ours")                                                                                      \
    X(DIAL_PLAIN_HTTP, "plain-http", "it speaks HTTP without TLS",                                 \
      "dial a node; this is another service")                                                      \
    X(DIAL_PLAIN_H2, "plain-http2", "it speaks HTTP/2 without TLS, as gRPC without credentials",   \
      "give that server nodekey's server credentials")                                             \
    X(DIAL_NOT_TLS, "not-tls", "it speaks something else than TLS",                                \
      "dial a node; this is another service")                                                      \
    X(DIAL_OLD_TLS, "old-tls", "it speaks no version of TLS that gRPC does",                       \
      "have it speak TLS 1.2 or 1.3")                                                              \
    X(DIAL_ALERT, "alert", "it breaks off the handshake before it sees our certificate",           \
      "have it take what gRPC 1.51 offers: the group P-256, and ECDHE with AES-GCM")               \
    X(DIAL_BROKEN_TLS, "broken-tls", "its part of the handshake is wrong",                         \
      "see what is on the way, and the versions on both sides")                                    \
    X(DIAL_OUR_KEY, "our-key", "our own key did not sign the handshake",                           \
      "see what is said of the key")                                                               \
    X(DIAL_NO_H2, "no-h2",                                                                         \
      "it speaks TLS, but does not choose \"h2\", without which gRPC has no connection",           \
      "dial a gRPC server, with nothing on the way that ends TLS")                                 \
    X(DIAL_REFUSED_US, "refused-us", "it ends the connection once it has seen our certificate",    \
      "see that node's log for the reason, or there: nodekey explain CONFIG OURS.pem --role "      \
      "client")                                                                                    \
    X(DIAL_CLOSED_LATE, "closed-late", "it ends the connection after the handshake",               \
      "see its log")                                                                               \
    X(DIAL_NO_FIRST_BYTE, "no-first-byte", "it says nothing in HTTP/2",                            \
      "see whether that node hangs")                                                               \
    X(DIAL_NOT_H2, "not-h2", "it chose \"h2\", but what it says is not HTTP/2",                    \
      "dial a gRPC server")                                                                        \
    X(DIAL_FINE, "fine", "it lets us in", "")

#define DIAL_CONSTANT(constant, label, meaning, advice) constant,
enum dial_end { DIAL_ENDS(DIAL_CONSTANT) DIAL_ENDS_LEN };
#undef DIAL_CONSTANT

#define DIAL_TIMEOUT_MS 10000u
#define DIAL_HOST_BYTES 256
#define DIAL_NAME_BYTES 48
#define DIAL_NO_TIME (-1) /* the step was not reached */

/* HOST:PORT, as gRPC splits it: [::1]:50051, 127.0.0.1:50051, node-b.example:50051. */
struct dial_target {
    char
        host[DIAL_HOST_BYTES]; /* without brackets: what our policy compares with the certificate */
    char port[NI_MAXSERV];
};
/* NK_E_USAGE: no host, no port, or another kind of target, with what to write instead. [any] */
MUST_USE nk_status dial_target_read(const char *text, struct dial_target *ret_target,
                                    nk_error *err);

/* Borrowed for the call. */
struct dial_order {
    const char *target;            /* HOST:PORT */
    X509 *leaf;                    /* our certificate as a client */
    STACK_OF(X509) *intermediates; /* that we send beside it; NULL: none */
    EVP_PKEY *key;                 /* its private half; token_key_load makes one of a token's */
    struct policy *policy;         /* which judges who answers */
    unsigned timeout_ms; /* of the whole; 0: DIAL_TIMEOUT_MS. Our token's time comes on top */
};

/* Texts are printable ASCII, whatever the peer sent. Times are in microseconds, or DIAL_NO_TIME. */
struct dial_result {
    enum dial_end end;
    char detail[NK_DETAIL_BYTES]; /* what was seen: an alert's name, a system's error; or "" */
    char address[NI_MAXHOST + NI_MAXSERV]; /* that this is about; "": none */
    char others[NK_DETAIL_BYTES];          /* "ADDRESS: LABEL; ...", addresses tried before it */
    long long lookup_us;                   /* of the name */
    long long connect_us;                  /* TCP */
    long long handshake_us;                /* TLS, our token's signature included */
    long long first_byte_us;               /* from there to the first byte of HTTP/2 */

    /* The handshake, "" and NULL where it did not come so far. */
    const char *version; /* "TLSv1.3"; of static lifetime, as the next */
    const char *cipher;
    char group[DIAL_NAME_BYTES];
    const char *scheme;    /* by which we signed, RFC 8446 4.2.3; NULL: we did not */
    bool asked;            /* for our certificate */
    bool other_cas;        /* it names the CAs that it takes, and none of ours is among them */
    STACK_OF(X509) *chain; /* that it showed, leaf first */

    json_t *answer; /* of answer_make; NULL: no certificate came */
    bool allowed;   /* by our policy, at the name that was dialled */
};

/* Dials, and always ends by the timeout, whatever the peer sends or does not. NK_OK: see
 * *ret_result, which is owned: dial_result_clear. Otherwise it is zeroed. NK_E_USAGE: of
 * dial_target_read. NK_E_CONFIG: $GRPC_SSL_CIPHER_SUITES. NK_E_IDENTITY: OpenSSL does not take our
 * certificate with this key. NK_E_NOMEM, NK_E_INTERNAL. [any] */
MUST_USE nk_status dial_peer(const struct dial_order *order, struct dial_result *ret_result,
                             nk_error *err);
void dial_result_clear(struct dial_result *result);
/* The node that dials like this would have a connection. [any] */
bool dial_is_fine(const struct dial_result *result);

const char *dial_label(enum dial_end end);   /* [any] */
const char *dial_meaning(enum dial_end end); /* [any] */
/* The cure, as words; "" where none is needed. [any] */
const char *dial_advice(enum dial_end end);
/* All of it but the certificates themselves. Owned: json_decref; NULL: no memory. [any] */
json_t *dial_json(const struct dial_result *result);

#endif
