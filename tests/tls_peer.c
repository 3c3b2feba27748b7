/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "base/auto.h"
#include "http2.h"
#include "tls_peer_ends.h"

#define IO_TIMEOUT_S 5
#define IO_TIMEOUT_KEPT_S 30 /* who is one of many waits for them */
#define SAYS "hi"

DEFINE_AUTO(SSL *, SSL_free);
DEFINE_AUTO(SSL_CTX *, SSL_CTX_free);

static void die(const char *what)
{
    fprintf(stderr, "tls peer: %s: %s\n", what, strerror(errno));
    ERR_print_errors_fp(stderr);
    abort();
}

static void tell(struct tls_result *result, const char *stage)
{
    unsigned long error = ERR_get_error();
    const char *reason = error != 0 ? ERR_reason_error_string(error) : NULL;
    snprintf(result->why, sizeof(result->why), "%s: %s", stage,
             reason != NULL ? reason : strerror(errno));
    ERR_clear_error();
}

static int select_h2(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                     const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char h2[] = "\2h2";
    (void)ssl;
    (void)arg;
    unsigned char *chosen = NULL;
    int found = SSL_select_next_proto(&chosen, out_len, h2, sizeof(h2) - 1, in, in_len);
    *out = chosen;
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int trust_anyone(X509_STORE_CTX *context, void *arg)
{
    (void)context;
    (void)arg;
    return 1;
}

SSL_CTX *tls_peer_context(const struct tls_peer *peer)
{
    signal(SIGPIPE, SIG_IGN); /* a refusal closes the socket under SSL_write */
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    if (context == NULL || SSL_CTX_set_cipher_list(context, "DEFAULT:@SECLEVEL=0") != 1) {
        die("SSL_CTX_new");
    }
    int version = peer->version;
    SSL_CTX_set_min_proto_version(context, version != 0 ? version : TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(context, version);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (peer->certificate != NULL && (SSL_CTX_use_certificate(context, peer->certificate) != 1 ||
                                      SSL_CTX_use_PrivateKey(context, peer->key) != 1)) {
        die("certificate and key");
    }
    for (size_t i = 0; i < TLS_PEER_ISSUERS && peer->issuers[i] != NULL; i++) {
        if (SSL_CTX_add1_chain_cert(context, peer->issuers[i]) != 1) {
            die("issuer");
        }
    }
    for (int i = 0; i < sk_X509_num(peer->more); i++) {
        if (SSL_CTX_add1_chain_cert(context, sk_X509_value(peer->more, i)) != 1) {
            die("another certificate");
        }
    }
    /* else a refusal, which is an end of file, spoils the session */
    SSL_CTX_set_options(context,
                        SSL_OP_IGNORE_UNEXPECTED_EOF | (peer->no_tickets ? SSL_OP_NO_TICKET : 0));
    SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    if (peer->root == NULL) {
        SSL_CTX_set_cert_verify_callback(context, trust_anyone, NULL);
    } else if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), peer->root) != 1) {
        die("root");
    }
    static const unsigned char offered[] = "\2h2";
    SSL_CTX_set_alpn_protos(context, offered, sizeof(offered) - 1);
    SSL_CTX_set_alpn_select_cb(context, select_h2, NULL);
    return context;
}

void tls_peer_bound_waiting(const struct tls_peer *peer, int fd)
{
    struct timeval limit = { .tv_sec = peer->patience_s > 0 ? peer->patience_s : IO_TIMEOUT_S };
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0) {
        die("setsockopt");
    }
}

static bool read_tls(void *source, unsigned char *buf, size_t len)
{
    for (size_t used = 0; used < len;) {
        int got = SSL_read(source, buf + used, (int)(len - used));
        if (got <= 0) {
            return false;
        }
        used += (size_t)got;
    }
    return true;
}

static bool read_plain(void *source, unsigned char *buf, size_t len)
{
    const int *fd = source;
    return recv(*fd, buf, len, MSG_WAITALL) == (ssize_t)len;
}

static bool write_request(SSL *ssl, const char *says)
{
    unsigned char request[HTTP2_REQUEST_MAX_BYTES];
    size_t len = http2_request(request, says != NULL ? says : SAYS);
    return SSL_write(ssl, request, (int)len) > 0;
}

static bool client_began(http2_read read_all, void *source)
{
    unsigned char preface[HTTP2_PREFACE_BYTES];
    return read_all(source, preface, sizeof(preface)) &&
           memcmp(preface, HTTP2_PREFACE, sizeof(preface)) == 0;
}

static void offer_session(SSL *ssl, SSL_SESSION *const *session)
{
    if (session != NULL && *session != NULL && SSL_set_session(ssl, *session) != 1) {
        die("session");
    }
}

/* TLS 1.3: the ticket came before the answer; also to one who is refused then. */
static void keep_session(SSL *ssl, SSL_SESSION **session)
{
    if (session != NULL && SSL_SESSION_is_resumable(SSL_get_session(ssl)) == 1) {
        SSL_SESSION_free(*session);
        *session = SSL_get1_session(ssl);
    }
}

struct tls_result tls_peer_converse(const struct tls_peer *peer, SSL_CTX *context, int fd,
                                    bool as_client)
{
    struct tls_result result = { .accepted = false };
    AUTO(SSL_free) SSL *ssl = SSL_new(context);
    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) {
        die("SSL_new");
    }
    offer_session(ssl, peer->session);
    errno = 0;
    if ((as_client ? SSL_connect(ssl) : SSL_accept(ssl)) != 1) {
        tell(&result, "handshake");
        return result;
    }
    result.version = SSL_version(ssl);
    result.resumed = SSL_session_reused(ssl) == 1;
    result.accepted = as_client ? write_request(ssl, peer->says) && http2_answered(read_tls, ssl)
                                : client_began(read_tls, ssl);
    keep_session(ssl, peer->session);
    if (!result.accepted) {
        tell(&result, as_client ? "no answer" : "no preface");
        SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN); /* else SSL_free spoils the session */
        return result;
    }
    snprintf(result.why, sizeof(result.why), "accepted over %s", SSL_get_version(ssl));
    SSL_shutdown(ssl);
    return result;
}

struct tls_result tls_peer_speak_plainly(int fd, bool as_client)
{
    struct tls_result result = { .version = 0 };
    unsigned char request[HTTP2_REQUEST_MAX_BYTES];
    errno = 0;
    result.accepted = as_client
                          ? send(fd, request, http2_request(request, SAYS), MSG_NOSIGNAL) > 0 &&
                                http2_answered(read_plain, &fd)
                          : client_began(read_plain, &fd);
    if (!result.accepted) {
        tell(&result, "plaintext");
    }
    return result;
}

static int connect_to(const struct tls_peer *peer, int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        die("connect");
    }
    tls_peer_bound_waiting(peer, fd);
    return fd;
}

struct tls_result tls_peer_dial(const struct tls_peer *peer, int port)
{
    int fd = connect_to(peer, port);
    struct tls_result result;
    if (peer->plaintext) {
        result = tls_peer_speak_plainly(fd, true);
    } else {
        AUTO(SSL_CTX_free) SSL_CTX *context = tls_peer_context(peer);
        result = tls_peer_converse(peer, context, fd, true);
    }
    close(fd);
    return result;
}

SSL_CTX *tls_peer_context_kept(const struct tls_peer *peer)
{
    SSL_CTX *context = tls_peer_context(peer);
    if (SSL_CTX_set1_groups_list(context, "P-256") != 1) {
        die("groups");
    }
    return context;
}

struct tls_result tls_peer_dial_kept(const struct tls_peer *peer, SSL_CTX *context, int port)
{
    struct tls_peer patient = *peer;
    patient.patience_s = IO_TIMEOUT_KEPT_S;
    int fd = connect_to(&patient, port);
    struct tls_result result = tls_peer_converse(peer, context, fd, true);
    close(fd);
    return result;
}
