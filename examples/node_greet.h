/* SPDX-License-Identifier: Apache-2.0
 * Talking to another node of our own accord: handshake, weights, disconnect. */
#ifndef EXAMPLE_NODE_GREET_H
#define EXAMPLE_NODE_GREET_H

#include <stdbool.h>
#include <stddef.h>

#include "node.h"

struct greeting {
    char **addrs;
    size_t addrs_len;
    size_t weights_len;
    int patience_seconds; /* one that cannot be reached is dialled again for so long */
};

/* Greets each in turn with the same pseudo-random bytes, one line each. True: all talked. */
bool greet_all(struct node *node, const struct greeting *greeting);

#endif
