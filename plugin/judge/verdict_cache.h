/* SPDX-License-Identifier: Apache-2.0
 * Verdicts on live connections, so that judging again at each RPC costs a comparison. Of fixed
 * size: peers that share a slot are judged more often, nothing else. */
#ifndef NODEKEY_VERDICT_CACHE_H
#define NODEKEY_VERDICT_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/auto.h"

struct verdict_cache; /* any thread, concurrently */

struct verdict_cache_key {
    uint32_t role;       /* NK_PEER_IS_* */
    uint64_t generation; /* of the policy that judged */
    const char *pem;     /* the leaf as it was shown, compared as a whole */
    size_t pem_len;
};

MUST_USE struct verdict_cache *verdict_cache_new(void); /* NULL: no memory */
void verdict_cache_free(struct verdict_cache *cache);
/* False: not known, or not known any more at `now`. */
MUST_USE bool verdict_cache_find(struct verdict_cache *cache, const struct verdict_cache_key *key,
                                 time_t now, bool *ret_allowed);
/* When a verdict was made, and from when on it no longer holds. */
struct verdict_cache_span {
    time_t since;
    time_t until;
};
/* Holds for that span, or until the slot is needed. */
void verdict_cache_put(struct verdict_cache *cache, const struct verdict_cache_key *key,
                       bool allowed, const struct verdict_cache_span *span);

#endif
