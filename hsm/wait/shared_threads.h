/* SPDX-License-Identifier: Apache-2.0
 * Threads that have other work beside handshakes, as gRPC's own pool has: it answers calls, too,
 * and grows slowly. While all of them wait for a token that does not answer, each thread that comes
 * would take the next handshake, and no call would be answered. So further peers are refused then.
 * A token that is merely slow refuses nobody: peers who are refused stay away for a second and
 * more, and strangers who come again and again would keep members out. All of it [any]. */
#ifndef NODEKEY_SHARED_THREADS_H
#define NODEKEY_SHARED_THREADS_H

#include <stdbool.h>

#include "base/auto.h"

/* So long a token must not have answered while it was asked. */
#define SHARED_THREADS_PATIENCE_MS 1000

/* Callers that wait for one token. Zeroed: none. */
struct waits {
    unsigned now;
    long long heard_ms; /* when the last one came back, or the first one came */
};

/* How many the pool has. 0, as at first: signatures are made on threads that may wait. */
void shared_threads_are(unsigned threads);
/* Before the caller waits for the token; shared_threads_leave afterwards. False, for inbound ones
 * alone: it must not wait, and there is nothing to leave. Our own dialling is counted and never
 * refused: how much of it there is the program decides, and a call would fail. */
MUST_USE bool shared_threads_enter(struct waits *waits, bool inbound, long long now_ms);
void shared_threads_leave(struct waits *waits, long long now_ms);
/* For a caller with another way than to wait: the pool has a thread left when this one waits, too,
 * and none has waited for this token since `patience_ms` in vain. Counts nothing. */
bool shared_threads_spare_one(const struct waits *waits, long long now_ms, unsigned patience_ms);

#endif
