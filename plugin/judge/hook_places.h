/* SPDX-License-Identifier: Apache-2.0
 * Places for the host's verify_peer: eight calls run at a time, the others wait in the order in
 * which they came. A call that was given up gives its place back and counts as left behind until it
 * returns; so many may be left behind, and then no further one begins. */
#ifndef NODEKEY_HOOK_PLACES_H
#define NODEKEY_HOOK_PLACES_H

#include <pthread.h>

#include "base/auto.h"

#define HOOK_PLACES 8
#define HOOK_LEFT_MAX 64

struct hook_waiter;

struct hook_places {
    pthread_mutex_t lock; /* guards what follows */
    int running;
    int left;                  /* for a moment one less, when a call returns as it is given up */
    struct hook_waiter *first; /* of those that wait */
    struct hook_waiter **end;
};

enum hook_turn {
    HOOK_TURN,      /* owned: exactly one of hook_places_end, hook_places_leave */
    HOOK_TURN_LATE, /* none came until the deadline */
    HOOK_TURN_BUSY, /* HOOK_LEFT_MAX calls are left behind */
};

void hook_places_init(struct hook_places *places);
void hook_places_destroy(struct hook_places *places);
/* Waits until `deadline_ms` of clock_now_ms. [any] */
MUST_USE enum hook_turn hook_places_take(struct hook_places *places, long long deadline_ms);
/* The call has returned in time. [any] */
void hook_places_end(struct hook_places *places);
/* The call was given up; hook_places_returned follows when it returns, or came before. [any] */
void hook_places_leave(struct hook_places *places);
void hook_places_returned(struct hook_places *places); /* [any] */

#endif
