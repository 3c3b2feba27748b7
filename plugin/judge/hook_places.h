/* SPDX-License-Identifier: Apache-2.0
 * Places for the host's verify_peer: eight calls run at a time, the others wait in the order in
 * which they came. A call that has run for half its time while others wait gives its place to them,
 * so that eight that hang do not use up everybody's time; it may answer all the same. One that was
 * given up counts as left behind until it returns. No further call begins when so many run or are
 * left behind. */
#ifndef NODEKEY_HOOK_PLACES_H
#define NODEKEY_HOOK_PLACES_H

#include <pthread.h>
#include <stdbool.h>

#include "base/auto.h"

#define HOOK_PLACES 8
#define HOOK_LEFT_MAX 64

enum hook_turn {
    HOOK_TURN,      /* owned: exactly one of hook_places_end, hook_places_leave */
    HOOK_TURN_LATE, /* none came until the deadline */
    HOOK_TURN_BUSY, /* HOOK_LEFT_MAX calls are left behind */
};

/* Call of the hook: it waits, then runs. In the frame of who asks. */
struct hook_place {
    pthread_cond_t called;
    enum hook_turn turn; /* valid when it has been called */
    bool is_called;
    unsigned patience_ms;
    long long slow_ms; /* from then on, others may have its place */
    bool is_slow;      /* they have */
    struct hook_place *next;
};

struct hook_places {
    pthread_mutex_t lock;               /* guards what follows */
    struct hook_place *at[HOOK_PLACES]; /* NULL: free */
    int slow;                           /* run without a place */
    int left;                 /* for a moment one less, when a call returns as it is given up */
    struct hook_place *first; /* of those that wait */
    struct hook_place **end;
};

void hook_places_init(struct hook_places *places);
void hook_places_destroy(struct hook_places *places);
/* Waits until `deadline_ms` of clock_now_ms at most. `patience_ms` is what a call may take in all.
 * `place` is filled, and must stay where it is until the turn ends. [any] */
MUST_USE enum hook_turn hook_places_take(struct hook_places *places, struct hook_place *place,
                                         long long deadline_ms, unsigned patience_ms);
/* The call has returned in time. [any] */
void hook_places_end(struct hook_places *places, struct hook_place *place);
/* The call was given up; hook_places_returned follows when it returns, or came before. [any] */
void hook_places_leave(struct hook_places *places, struct hook_place *place);
void hook_places_returned(struct hook_places *places); /* [any] */

#endif
