/* SPDX-License-Identifier: Apache-2.0
 * Users of a thing that is to be given back. The owner waits for them, with a deadline; if one of
 * them hangs, the thing is left behind, and the last user gives it back. */
#ifndef NODEKEY_RUNDOWN_H
#define NODEKEY_RUNDOWN_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/auto.h"
#include "base/clock.h"

#define RUNDOWN_LEFT 0x80000000u /* beside the count, in one word: an end is one step */

struct rundown { /* zeroed: nobody uses the thing */
    atomic_uint users;
};

static inline void rundown_begin(struct rundown *rundown)
{
    atomic_fetch_add(&rundown->users, 1);
}

/* True: the thing was left behind, and the caller, its last user, gives it back. Else the thing may
 * be gone when this returns. [any] */
MUST_USE static inline bool rundown_end(struct rundown *rundown)
{
    unsigned seen = atomic_load(&rundown->users);

    while (!atomic_compare_exchange_weak(&rundown->users, &seen,
                                         seen == (RUNDOWN_LEFT | 1) ? 0 : seen - 1)) {
    }
    return seen == (RUNDOWN_LEFT | 1);
}

/* Waits until `deadline_ms` of clock_now_ms. The count of those who are still there. [any] */
static inline unsigned rundown_await(const struct rundown *rundown, long long deadline_ms)
{
    unsigned users = 0;

    while ((users = atomic_load(&rundown->users)) > 0 && clock_now_ms() < deadline_ms) {
        clock_sleep_ms(1);
    }
    return users & ~RUNDOWN_LEFT;
}

/* Leaves the thing to its users. True: there are none, and the caller gives it back. [owner] */
MUST_USE static inline bool rundown_leave(struct rundown *rundown)
{
    unsigned seen = atomic_load(&rundown->users);

    while (seen > 0 && !atomic_compare_exchange_weak(&rundown->users, &seen, seen | RUNDOWN_LEFT)) {
    }
    return seen == 0;
}

/* In a forked child: the users are threads of the parent's. [fork] */
static inline void rundown_renew(struct rundown *rundown)
{
    atomic_store(&rundown->users, 0);
}

#endif
