/* SPDX-License-Identifier: Apache-2.0
 * Addresses of a target. */
#ifndef NODEKEY_DIAL_ADDRESS_H
#define NODEKEY_DIAL_ADDRESS_H

#include <sys/socket.h>

#include "dial/dial.h"

#define DIAL_ADDRESSES_MAX 16

struct dial_address {
    struct sockaddr_storage at;
    socklen_t len;
};
struct dial_addresses {
    struct dial_address at[DIAL_ADDRESSES_MAX];
    size_t len;
};

/* In the order of RFC 6724, in which gRPC dials them. The resolver cannot be told when to stop:
 * what it does is left behind after `patience_ms`. False: why not is in `detail`. [any] */
MUST_USE bool dial_lookup(const struct dial_target *target, unsigned patience_ms,
                          struct dial_addresses *ret_addresses, char detail[NK_DETAIL_BYTES]);
/* "127.0.0.1:50051", "[::1]:50051". [any] */
void dial_address_text(const struct dial_address *address, char *text, size_t room);

#endif
