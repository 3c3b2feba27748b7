/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dial_peers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fixtures/wire/tls_peer_ends.h"

#define QUEUE_FILLERS 4
#define STAY_MS 60000 /* longer than any dial */

struct dial_peer_server {
    int fd;
    int port;
    bool serves;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards `client` */
    int client;            /* -1: none */
    const struct plain_script *plain;
    const struct tls_script *tls;
    SSL_CTX *context;
    unsigned served; /* broken handshakes */
    int fillers[QUEUE_FILLERS];
};

static void die(const char *what)
{
    fprintf(stderr, "dial peers: %s: %s\n", what, strerror(errno));
    abort();
}

static struct sockaddr_in loopback(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static struct dial_peer_server *open_server(int backlog)
{
    struct dial_peer_server *server = calloc(1, sizeof(*server));
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof(address);
    if (server == NULL) {
        die("calloc");
    }
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->fd < 0 || bind(server->fd, (struct sockaddr *)&address, len) != 0 ||
        (backlog >= 0 && listen(server->fd, backlog) != 0) ||
        getsockname(server->fd, (struct sockaddr *)&address, &len) != 0) {
        die("listen");
    }
    server->port = ntohs(address.sin_port);
    server->client = -1;
    pthread_mutex_init(&server->mutex, NULL);
    memset(server->fillers, -1, sizeof(server->fillers));
    return server;
}

/* --- what they do --- */

static void rest(unsigned ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 },
              NULL);
}

/* False: the client has gone. */
static bool await_client(int fd)
{
    char bytes[4096];
    struct pollfd one = { .fd = fd, .events = POLLIN };
    return poll(&one, 1, STAY_MS) > 0 && recv(fd, bytes, sizeof(bytes), 0) > 0;
}

static bool say(int fd, const struct plain_script *script)
{
    size_t len = script->says_len > 0 ? script->says_len : strlen(script->says);
    size_t step = script->pause_ms > 0 ? 1 : len;
    for (size_t at = 0; at < len; at += step) {
        if (send(fd, script->says + at, step, MSG_NOSIGNAL) < 0) {
            return false;
        }
        rest(script->pause_ms);
    }
    return true;
}

/* A server through memory, of whose answer only so much is sent. */
static void break_off(int fd, struct dial_peer_server *server)
{
    const struct plain_script *script = server->plain;
    unsigned char bytes[16384];
    SSL *ssl = SSL_new(server->context);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
    if (got > 0 && BIO_write(SSL_get_rbio(ssl), bytes, (int)got) == (int)got) {
        (void)SSL_accept(ssl);
        int made = BIO_read(SSL_get_wbio(ssl), bytes, (int)script->tls_bytes);
        if (made <= 0 || (!script->damages && made != (int)script->tls_bytes)) {
            die("a part of a handshake");
        }
        if (script->damages) {
            bytes[(server->served * 37) % (unsigned)made] ^=
                (unsigned char)(1 + server->served % 255);
        }
        (void)send(fd, bytes, (size_t)made, MSG_NOSIGNAL);
    }
    SSL_free(ssl);
    server->served++;
}

static void serve_plainly(int fd, struct dial_peer_server *server)
{
    const struct plain_script *script = server->plain;
    if (script->tls_bytes > 0) {
        break_off(fd, server);
        return;
    }
    if (!script->first && !await_client(fd)) {
        return;
    }
    bool open = script->says == NULL || say(fd, script);
    while (open && script->endless) {
        open = say(fd, script);
    }
    while (open && script->stays) {
        open = await_client(fd);
    }
}

static bool is_open(int fd)
{
    struct pollfd one = { .fd = fd, .events = POLLRDHUP };
    return poll(&one, 1, 0) == 0;
}

static void serve_tls(int fd, const struct dial_peer_server *server)
{
    const struct tls_script *script = server->tls;
    const char *says = script->says != NULL ? script->says : SETTINGS_FRAME;
    size_t len = script->says == NULL   ? sizeof(SETTINGS_FRAME) - 1
                 : script->says_len > 0 ? script->says_len
                                        : strlen(says);
    size_t step = script->pause_ms > 0 ? 1 : len;
    char bytes[4096];
    SSL *ssl = SSL_new(server->context);
    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) {
        die("SSL_new");
    }
    if (script->meets != NULL) {
        script->meets();
    }
    bool open = SSL_accept(ssl) == 1 && !script->leaves;
    while (open && script->endless_tickets && is_open(fd)) { /* SSL_do_handshake does not tell */
        open = SSL_new_session_ticket(ssl) == 1 && SSL_do_handshake(ssl) == 1;
    }
    for (size_t at = 0; open && !script->silent && !script->endless_tickets && at < len;
         at += step) {
        open = SSL_write(ssl, says + at, (int)step) > 0;
        rest(script->pause_ms);
    }
    while (open) {
        open = SSL_read(ssl, bytes, sizeof(bytes)) > 0;
    }
    SSL_free(ssl);
}

static void set_client(struct dial_peer_server *server, int fd)
{
    pthread_mutex_lock(&server->mutex);
    server->client = fd;
    pthread_mutex_unlock(&server->mutex);
}

static void *run(void *arg)
{
    struct dial_peer_server *server = arg;
    const struct tls_peer patience = { .patience_s = STAY_MS / 1000 };
    for (;;) {
        int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            return NULL; /* stopped */
        }
        tls_peer_bound_waiting(&patience, fd);
        set_client(server, fd);
        if (server->tls != NULL) {
            serve_tls(fd, server);
        } else {
            serve_plainly(fd, server);
        }
        set_client(server, -1);
        close(fd);
    }
}

/* --- servers --- */

static void start(struct dial_peer_server *server)
{
    server->serves = true;
    if (pthread_create(&server->thread, NULL, run, server) != 0) {
        die("pthread_create");
    }
}

struct dial_peer_server *dial_plain_server(const struct plain_script *script,
                                           const struct tls_peer *identity)
{
    struct dial_peer_server *server = open_server(SOMAXCONN);
    struct tls_peer peer = *identity;
    peer.version = TLS1_2_VERSION; /* whose handshake is in the clear up to our certificate */
    server->plain = script;
    server->context = tls_peer_context(&peer);
    start(server);
    return server;
}

static int choose(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                  const unsigned char *in, unsigned in_len, void *arg)
{
    const char *list = arg;
    unsigned char *chosen = NULL;
    (void)ssl;
    int found = SSL_select_next_proto(&chosen, out_len, (const unsigned char *)list,
                                      (unsigned)strlen(list), in, in_len);
    *out = chosen;
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void set_terms(SSL_CTX *context, const struct tls_script *script)
{
    if (script->chooses != NULL) {
        SSL_CTX_set_alpn_select_cb(context, script->chooses[0] != '\0' ? choose : NULL,
                                   (void *)(uintptr_t)script->chooses);
    }
    if (script->asks_nobody) {
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    }
    if ((script->names_cas && SSL_CTX_add_client_CA(context, script->trusts) != 1) ||
        (script->groups != NULL && SSL_CTX_set1_groups_list(context, script->groups) != 1) ||
        (script->client_schemes != NULL &&
         SSL_CTX_set1_client_sigalgs_list(context, script->client_schemes) != 1)) {
        die("terms");
    }
}

struct dial_peer_server *dial_tls_server(const struct tls_script *script,
                                         const struct tls_peer *identity)
{
    struct dial_peer_server *server = open_server(SOMAXCONN);
    struct tls_peer peer = *identity;
    peer.version = script->version;
    peer.root = script->trusts;
    server->tls = script;
    server->context = tls_peer_context(&peer);
    set_terms(server->context, script);
    start(server);
    return server;
}

struct dial_peer_server *dial_deaf_server(bool full)
{
    struct dial_peer_server *server = open_server(0);
    struct sockaddr_in address = loopback(server->port);
    for (size_t i = 0; full && i < QUEUE_FILLERS; i++) {
        server->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(server->fillers[i], (struct sockaddr *)&address, sizeof(address));
    }
    return server;
}

int dial_server_port(const struct dial_peer_server *server)
{
    return server->port;
}

void dial_server_stop(struct dial_peer_server *server)
{
    shutdown(server->fd, SHUT_RDWR);
    pthread_mutex_lock(&server->mutex);
    if (server->client >= 0) {
        shutdown(server->client, SHUT_RDWR); /* a client may be patient */
    }
    pthread_mutex_unlock(&server->mutex);
    if (server->serves) {
        pthread_join(server->thread, NULL);
    }
    close(server->fd);
    for (size_t i = 0; i < QUEUE_FILLERS; i++) {
        if (server->fillers[i] >= 0) {
            close(server->fillers[i]);
        }
    }
    pthread_mutex_destroy(&server->mutex);
    SSL_CTX_free(server->context);
    free(server);
}

int dial_closed_port(void)
{
    struct dial_peer_server *server = open_server(-1);
    int port = server->port;
    dial_server_stop(server);
    return port;
}
