/* SPDX-License-Identifier: Apache-2.0 */
#include "dial/wire.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

/* False: the deadline has come. */
static bool wait_for(const struct wire *wire, short events)
{
    for (;;) {
        long long left = wire->deadline_ms - clock_now_ms();
        struct pollfd one = { .fd = wire->fd, .events = events };
        int ready = left > 0 ? poll(&one, 1, (int)left) : 0;
        if (ready >= 0 || errno != EINTR) {
            return ready > 0;
        }
    }
}

static bool is_not_yet(int cause)
{
    return cause == EAGAIN || cause == EWOULDBLOCK || cause == EINTR;
}

int wire_connect(struct wire *wire, const struct dial_address *address, long long deadline_ms)
{
    const int on = 1;
    int cause = 0;
    socklen_t len = sizeof(cause);

    *wire = (struct wire){ .deadline_ms = deadline_ms };
    wire->fd =
        socket(address->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (wire->fd < 0) {
        return errno;
    }
    (void)setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* as gRPC does */
    if (connect(wire->fd, (const struct sockaddr *)&address->at, address->len) == 0) {
        return 0;
    }
    if (errno != EINPROGRESS) {
        return errno;
    }
    if (!wait_for(wire, POLLOUT)) {
        return ETIMEDOUT;
    }
    return getsockopt(wire->fd, SOL_SOCKET, SO_ERROR, &cause, &len) == 0 ? cause : errno;
}

void wire_close(struct wire *wire)
{
    if (wire->fd >= 0) {
        close(wire->fd);
        wire->fd = -1;
    }
}

static void keep_first(struct wire *wire, const void *bytes, size_t len)
{
    if (wire->got < sizeof(wire->first)) {
        size_t room = sizeof(wire->first) - wire->got;
        memcpy(wire->first + wire->got, bytes, len < room ? len : room);
    }
    wire->got += len;
}

enum wire_end wire_read(struct wire *wire, void *bytes, size_t room, size_t *ret_len)
{
    for (;;) {
        if (!wait_for(wire, POLLIN)) {
            return WIRE_LATE;
        }
        ssize_t len = recv(wire->fd, bytes, room, 0);
        if (len > 0) {
            keep_first(wire, bytes, (size_t)len);
            *ret_len = (size_t)len;
            return wire->got <= WIRE_MAX_BYTES ? WIRE_OK : WIRE_FLOODED;
        }
        if (len == 0 || !is_not_yet(errno)) {
            return WIRE_CLOSED;
        }
    }
}

enum wire_end wire_write(struct wire *wire, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;

    while (len > 0) {
        ssize_t sent = send(wire->fd, at, len, MSG_NOSIGNAL);
        if (sent >= 0) {
            at += sent;
            len -= (size_t)sent;
        } else if (!is_not_yet(errno)) {
            return WIRE_CLOSED;
        } else if (!wait_for(wire, POLLOUT)) {
            return WIRE_LATE;
        }
    }
    return WIRE_OK;
}
