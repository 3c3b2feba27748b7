/* SPDX-License-Identifier: Apache-2.0 */
#include "node_seen.h"

#include <string.h>

void seen_init(struct seen *seen)
{
    memset(seen, 0, sizeof(*seen));
    pthread_mutex_init(&seen->lock, NULL);
}

bool seen_before(struct seen *seen, int64_t hash)
{
    bool known = false;
    pthread_mutex_lock(&seen->lock);
    for (size_t i = 0; i < seen->len && !known; i++) {
        known = seen->hashes[i] == hash;
    }
    if (!known && seen->len < SEEN_MAX) {
        seen->hashes[seen->len++] = hash;
    } else if (!known) {
        seen->hashes[seen->oldest] = hash;
        seen->oldest = (seen->oldest + 1) % SEEN_MAX;
    }
    pthread_mutex_unlock(&seen->lock);
    return known;
}
