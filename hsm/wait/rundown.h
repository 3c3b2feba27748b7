/* SPDX-License-Identifier: Apache-2.0
 * Users of a thing that is to be given back. The owner waits for them, with a deadline; if one of
 * them hangs, the thing is left behind, and the last user gives it back. */
#ifndef NODEKEY_RUNDOWN_H
#define NODEKEY_RUNDOWN_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/auto.h"
#include "base/clock.h"

struct rundown { /* zeroed: nobody uses the thing */
    atomic_uint users;
    atomic_bool left_behind;
};

static inline void rundown_begin(struct rundown *rundown)
{
    atomic_fetch_add(&rundown->users, 1);
}

/* True: the thing was left behind, and the caller, its last user, gives it back. [any] */
MUST_USE static inline bool rundown_end(struct rundown *rundown)
{
    return atomic_fetch_sub(&rundown->users, 1) == 1 &&
           atomic_exchange(&rundown->left_behind, false);
}

/* Waits until `deadline_ms` of clock_now_ms. The count of those who are still there. [any] */
static inline unsigned rundown_await(const struct rundown *rundown, long long deadline_ms)
{
    unsigned users = 0;

    while ((users = atomic_load(&rundown->users)) > 0 && clock_now_ms() < deadline_ms) {
        clock_sleep_ms(1);
    }
    return users;
}

/* Leaves the thing to its users. True: there are none, and the caller gives it back. [owner] */
MUST_USE static inline bool rundown_leave(struct rundown *rundown)
{
    atomic_store(&rundown->left_behind, true);
    /* A user who ends in between sees the mark: one of the two gives the thing back. */
    return atomic_load(&rundown->users) == 0 && atomic_exchange(&rundown->left_behind, false);
}

/* In a forked child: the users are threads of the parent's. [fork] */
static inline void rundown_renew(struct rundown *rundown)
{
    atomic_store(&rundown->users, 0);
}

#endif
