/* SPDX-License-Identifier: Apache-2.0 */
#include "wait/shared_threads.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/fork.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards all below, and struct waits */
static atomic_uint shared; /* read without the lock: 0 costs a signature nothing */
static unsigned waiting;   /* for any token */

static void renew_count(void)
{
    waiting = 0;
}

FORK_PART(.lock = &lock, .renew = renew_count);

void shared_threads_are(unsigned threads)
{
    pthread_mutex_lock(&lock);
    atomic_store(&shared, threads);
    pthread_mutex_unlock(&lock);
}

static bool is_silent_locked(const struct waits *waits, long long now_ms, unsigned patience_ms)
{
    return waits->now > 0 && now_ms - waits->heard_ms >= patience_ms;
}

/* Another token than the one that does not answer keeps a thread for a moment only. */
static bool must_not_wait_locked(const struct waits *waits, long long now_ms)
{
    return waiting >= shared && is_silent_locked(waits, now_ms, SHARED_THREADS_PATIENCE_MS);
}

bool shared_threads_enter(struct waits *waits, bool inbound, long long now_ms)
{
    if (atomic_load(&shared) == 0) {
        return true;
    }
    pthread_mutex_lock(&lock);
    bool enters = !inbound || !must_not_wait_locked(waits, now_ms);
    if (enters) {
        waits->heard_ms = waits->now == 0 ? now_ms : waits->heard_ms;
        waits->now++;
        waiting++;
    }
    pthread_mutex_unlock(&lock);
    return enters;
}

void shared_threads_leave(struct waits *waits, long long now_ms)
{
    if (atomic_load(&shared) == 0) {
        return;
    }
    pthread_mutex_lock(&lock);
    waits->heard_ms = now_ms;
    waits->now -=
        waits->now > 0 ? 1 : 0; /* 0: forked inside the call, or not counted at its start */
    waiting -= waiting > 0 ? 1 : 0;
    pthread_mutex_unlock(&lock);
}

bool shared_threads_spare_one(const struct waits *waits, long long now_ms, unsigned patience_ms)
{
    if (atomic_load(&shared) == 0) {
        return true;
    }
    pthread_mutex_lock(&lock);
    bool spare = waiting + 1 < shared && !is_silent_locked(waits, now_ms, patience_ms);
    pthread_mutex_unlock(&lock);
    return spare;
}
