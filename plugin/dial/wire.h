/* SPDX-License-Identifier: Apache-2.0
 * One TCP connection with a deadline. The other side is hostile until proven otherwise: how much it
 * may send and how long it may take is bounded here, and a write to a socket that it has closed
 * raises no signal. All [any], one thread for each connection. */
#ifndef NODEKEY_DIAL_WIRE_H
#define NODEKEY_DIAL_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/auto.h"
#include "dial/address.h"

#define WIRE_FIRST_BYTES 64
#define WIRE_MAX_BYTES ((size_t)1024 * 1024) /* far beyond any handshake that OpenSSL takes */

enum wire_end {
    WIRE_OK = 0,
    WIRE_CLOSED, /* by the other side, in order or not */
    WIRE_LATE,
    WIRE_FLOODED, /* it sent more than WIRE_MAX_BYTES */
};

struct wire {
    int fd;
    long long deadline_ms; /* of clock_now_ms */
    size_t got;            /* bytes so far, of which the first are kept */
    unsigned char first[WIRE_FIRST_BYTES];
};

/* 0, or the errno; ETIMEDOUT at the deadline, too. Owned, also after a failure: wire_close. */
MUST_USE int wire_connect(struct wire *wire, const struct dial_address *address,
                          long long deadline_ms);
void wire_close(struct wire *wire);
/* Reads what is there, one byte at least. */
MUST_USE enum wire_end wire_read(struct wire *wire, void *bytes, size_t room, size_t *ret_len);
/* Writes all. After WIRE_CLOSED there may still be something to read. */
MUST_USE enum wire_end wire_write(struct wire *wire, const void *bytes, size_t len);

#endif
