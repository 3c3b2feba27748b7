/* SPDX-License-Identifier: Apache-2.0
 * Threads that have other work beside handshakes, as gRPC's own pool has, which also answers calls
 * and which nobody can make larger. While all of them wait for tokens no call is answered. A burst
 * of peers may have them all for a moment, since a peer that is refused stays away for a second and
 * more; after that moment one thread is kept free, and peers are refused at once. One account for
 * the process, since it has one pool, however many tokens. All of it [any]. */
#ifndef NODEKEY_SHARED_THREADS_H
#define NODEKEY_SHARED_THREADS_H

#include <stdbool.h>

#include "base/auto.h"

/* For so long all may wait, if they were free before. The pool of gRPC 1.83 grows by one thread in
 * that time, and its clients come back after it. */
#define SHARED_THREADS_STALL_MS 1000
/* For so long one is kept free then: what else is to be done is done, and who dialled meanwhile is
 * refused. */
#define SHARED_THREADS_RELIEF_MS 250

/* 0, as at first: signatures are made on threads that may wait. */
void shared_threads_are(unsigned threads);
/* Before the caller waits for a token; shared_threads_leave afterwards. False, for inbound ones
 * alone: it must not wait, and there is nothing to leave. Our own dialling is counted and never
 * refused: how much of it there is the program decides, and a call would fail. */
MUST_USE bool shared_threads_enter(bool inbound, long long now_ms);
void shared_threads_leave(long long now_ms);

#endif
