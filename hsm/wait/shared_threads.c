/* SPDX-License-Identifier: Apache-2.0 */
#include "wait/shared_threads.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/fork.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards all below */
static atomic_uint shared; /* read without the lock: 0 costs a signature nothing */
static unsigned waiting;
/* Grows while all wait, and shrinks as fast while they do not: many short waits, as a fast token's,
 * are no stall. */
static long long stalled_ms;
static long long settled_ms; /* when it was reckoned last */
static bool keeps_one;

static void renew_account(void)
{
    waiting = 0;
    stalled_ms = 0;
    keeps_one = false;
}

FORK_PART(.lock = &lock, .renew = renew_account);

static void settle_locked(long long now_ms)
{
    bool all_wait = shared > 0 && waiting >= shared;
    long long passed_ms = now_ms - settled_ms;

    stalled_ms += all_wait ? passed_ms : -passed_ms;
    settled_ms = now_ms;
    if (stalled_ms >= SHARED_THREADS_STALL_MS) {
        stalled_ms = SHARED_THREADS_STALL_MS;
        keeps_one = true;
    } else if (stalled_ms <= SHARED_THREADS_STALL_MS - SHARED_THREADS_RELIEF_MS) {
        stalled_ms = stalled_ms > 0 ? stalled_ms : 0;
        keeps_one = false;
    }
}

void shared_threads_are(unsigned threads)
{
    pthread_mutex_lock(&lock);
    atomic_store(&shared, threads);
    pthread_mutex_unlock(&lock);
}

bool shared_threads_enter(bool inbound, long long now_ms)
{
    if (atomic_load(&shared) == 0) {
        return true;
    }
    pthread_mutex_lock(&lock);
    settle_locked(now_ms);
    bool enters = !inbound || !keeps_one || waiting + 1 < shared;
    waiting += enters ? 1 : 0;
    pthread_mutex_unlock(&lock);
    return enters;
}

void shared_threads_leave(long long now_ms)
{
    if (atomic_load(&shared) == 0) {
        return;
    }
    pthread_mutex_lock(&lock);
    settle_locked(now_ms);
    waiting -= waiting > 0 ? 1 : 0; /* 0: forked inside the call, or not counted at its start */
    pthread_mutex_unlock(&lock);
}
