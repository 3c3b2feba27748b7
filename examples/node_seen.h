/* SPDX-License-Identifier: Apache-2.0
 * Which gossip was here before: the newest hashes, in bounded memory. */
#ifndef EXAMPLE_NODE_SEEN_H
#define EXAMPLE_NODE_SEEN_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEEN_MAX 4096

struct seen {
    pthread_mutex_t lock; /* guards the rest */
    int64_t hashes[SEEN_MAX];
    size_t len;
    size_t oldest; /* once full: the next to be forgotten */
};

void seen_init(struct seen *seen);
/* Was it here before? From now on it was. Any thread. */
bool seen_before(struct seen *seen, int64_t hash);

#endif
