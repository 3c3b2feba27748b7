/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>

#include "auto.h"
#include "http2.h"

#define IO_TIMEOUT_S 5
#define SERVED_WAIT_S 10

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

static SSL_CTX *context_of(const struct tls_peer *peer)
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

static void bound_waiting(int fd)
{
    struct timeval limit = { .tv_sec = IO_TIMEOUT_S };
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

static bool client_began(http2_read read_all, void *source)
{
    unsigned char preface[HTTP2_PREFACE_BYTES];
    return read_all(source, preface, sizeof(preface)) &&
           memcmp(preface, HTTP2_PREFACE, sizeof(preface)) == 0;
}

/* Owns nothing of `fd`. */
static struct tls_result converse(SSL_CTX *context, int fd, bool as_client)
{
    struct tls_result result = { .accepted = false };
    AUTO(SSL_free) SSL *ssl = SSL_new(context);
    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) {
        die("SSL_new");
    }
    errno = 0;
    if ((as_client ? SSL_connect(ssl) : SSL_accept(ssl)) != 1) {
        tell(&result, "handshake");
        return result;
    }
    result.version = SSL_version(ssl);
    unsigned char request[HTTP2_REQUEST_MAX_BYTES];
    result.accepted = as_client ? SSL_write(ssl, request, (int)http2_request(request)) > 0 &&
                                      http2_answered(read_tls, ssl)
                                : client_began(read_tls, ssl);
    if (!result.accepted) {
        tell(&result, as_client ? "no answer" : "no preface");
        return result;
    }
    snprintf(result.why, sizeof(result.why), "accepted over %s", SSL_get_version(ssl));
    SSL_shutdown(ssl);
    return result;
}

static struct tls_result speak_plainly(int fd, bool as_client)
{
    struct tls_result result = { .version = 0 };
    unsigned char request[HTTP2_REQUEST_MAX_BYTES];
    errno = 0;
    result.accepted = as_client ? send(fd, request, http2_request(request), MSG_NOSIGNAL) > 0 &&
                                      http2_answered(read_plain, &fd)
                                : client_began(read_plain, &fd);
    if (!result.accepted) {
        tell(&result, "plaintext");
    }
    return result;
}

struct tls_result tls_peer_dial(const struct tls_peer *peer, int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        die("connect");
    }
    bound_waiting(fd);
    struct tls_result result;
    if (peer->plaintext) {
        result = speak_plainly(fd, true);
    } else {
        AUTO(SSL_CTX_free) SSL_CTX *context = context_of(peer);
        result = converse(context, fd, true);
    }
    close(fd);
    return result;
}

struct tls_listener {
    SSL_CTX *context;
    bool plaintext;
    int fd;
    char address[32];
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t served_one;
    size_t served;
    size_t waited; /* how many of them tls_listener_wait has told */
    size_t accepted;
    struct tls_result last;
};

static void *listen_on(void *arg)
{
    struct tls_listener *listener = arg;
    for (;;) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            return NULL; /* stopped */
        }
        bound_waiting(fd);
        struct tls_result result =
            listener->plaintext ? speak_plainly(fd, false) : converse(listener->context, fd, false);
        close(fd);
        pthread_mutex_lock(&listener->mutex);
        listener->served++;
        listener->accepted += result.accepted ? 1 : 0;
        listener->last = result;
        pthread_cond_signal(&listener->served_one);
        pthread_mutex_unlock(&listener->mutex);
    }
}

struct tls_listener *tls_peer_listen(const struct tls_peer *peer)
{
    struct tls_listener *listener = calloc(1, sizeof(*listener));
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t len = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener == NULL || fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 ||
        listen(fd, SOMAXCONN) != 0 || getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        die("listen");
    }
    listener->fd = fd;
    listener->context = context_of(peer);
    listener->plaintext = peer->plaintext;
    snprintf(listener->address, sizeof(listener->address), "127.0.0.1:%u",
             (unsigned)ntohs(address.sin_port));
    pthread_mutex_init(&listener->mutex, NULL);
    pthread_cond_init(&listener->served_one, NULL);
    if (pthread_create(&listener->thread, NULL, listen_on, listener) != 0) {
        die("pthread_create");
    }
    return listener;
}

const char *tls_listener_address(const struct tls_listener *listener)
{
    return listener->address;
}

struct tls_result tls_listener_wait(struct tls_listener *listener)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += SERVED_WAIT_S;
    pthread_mutex_lock(&listener->mutex);
    int late = 0;
    while (listener->served == listener->waited && late == 0) {
        late = pthread_cond_timedwait(&listener->served_one, &listener->mutex, &until);
    }
    struct tls_result result = { .why = "nobody dialled" };
    if (listener->served > listener->waited) {
        listener->waited = listener->served;
        result = listener->last;
    }
    pthread_mutex_unlock(&listener->mutex);
    return result;
}

size_t tls_listener_accepted(struct tls_listener *listener)
{
    pthread_mutex_lock(&listener->mutex);
    size_t accepted = listener->accepted;
    pthread_mutex_unlock(&listener->mutex);
    return accepted;
}

void tls_listener_stop(struct tls_listener *listener)
{
    shutdown(listener->fd, SHUT_RDWR);
    pthread_join(listener->thread, NULL);
    close(listener->fd);
    SSL_CTX_free(listener->context);
    pthread_cond_destroy(&listener->served_one);
    pthread_mutex_destroy(&listener->mutex);
    free(listener);
}
