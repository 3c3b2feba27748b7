/* SPDX-License-Identifier: Apache-2.0
 * The stranger as server: one thread, one connection at a time. */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tls_peer.h"
#include "tls_peer_ends.h"

#define SERVED_WAIT_S 10

static void die(const char *what)
{
    fprintf(stderr, "tls listener: %s: %s\n", what, strerror(errno));
    abort();
}

struct tls_listener {
    SSL_CTX *context;
    struct tls_peer peer;
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
        tls_peer_bound_waiting(&listener->peer, fd);
        struct tls_result result =
            listener->peer.plaintext
                ? tls_peer_speak_plainly(fd, false)
                : tls_peer_converse(&listener->peer, listener->context, fd, false);
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
    listener->context = tls_peer_context(peer);
    listener->peer = *peer;
    listener->peer.session = NULL;
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
