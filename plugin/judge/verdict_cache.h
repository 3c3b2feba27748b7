/* SPDX-License-Identifier: Apache-2.0
 * Verdicts on live connections, so that judging again at each RPC costs a comparison. Of fixed
 * size: peers that share a slot are judged more often, nothing else. */
#ifndef NODEKEY_RECENT_H
#define NODEKEY_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/auto.h"

struct recent; /* any thread, concurrently */

struct recent_key {
    uint32_t role;       /* NK_PEER_IS_* */
    uint64_t generation; /* of the policy that judged */
    const char *pem;     /* the leaf as it was shown, compared as a whole */
    size_t pem_len;
};

MUST_USE struct recent *recent_new(void); /* NULL: no memory */
void recent_free(struct recent *recent);
/* False: not known, or not known any more at `now`. */
MUST_USE bool recent_find(struct recent *recent, const struct recent_key *key, time_t now,
                          bool *ret_allowed);
/* When a verdict was made, and from when on it no longer holds. */
struct recent_span {
    time_t since;
    time_t until;
};
/* Holds for that span, or until the slot is needed. */
void recent_put(struct recent *recent, const struct recent_key *key, bool allowed,
                const struct recent_span *span);

#endif
