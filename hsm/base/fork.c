/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fork.h"

#include <stdatomic.h>
#include <stddef.h>

#include <sys/mman.h>

#include "base/clock.h"

#define MARK_BYTES 4096

static struct fork_part *parts; /* grows while objects are loaded, before they have threads */
static _Thread_local unsigned calls;
static pthread_mutex_t forking = PTHREAD_MUTEX_INITIALIZER; /* one fork at a time, hold_parts on */
static _Thread_local bool was_inside;
static _Thread_local bool at_rest;
static atomic_uint count;
static atomic_bool foreign;
/* Zero in a child that no handler has seen. NULL: such children are not told from us. */
static atomic_int *mark;

bool fork_lock_by(pthread_mutex_t *lock, long long deadline_ms)
{
    while (pthread_mutex_trylock(lock) != 0) {
        if (clock_now_ms() >= deadline_ms) {
            return false;
        }
        clock_sleep_ms(1);
    }
    return true;
}

static void hold_parts(void)
{
    was_inside = calls > 0;
    if (was_inside) {
        return; /* the fork might wait for itself */
    }
    pthread_mutex_lock(&forking);
    long long deadline = clock_now_ms() + FORK_WAIT_MS;
    at_rest = true;
    for (struct fork_part *part = parts; part != NULL; part = part->next) {
        at_rest &= part->rest == NULL || part->rest(deadline);
    }
    for (struct fork_part *part = parts; part != NULL; part = part->next) {
        part->locked = part->lock == NULL || fork_lock_by(part->lock, deadline);
        at_rest &= part->locked && (part->hold == NULL || part->hold(deadline));
    }
}

static void release_parts(void)
{
    for (struct fork_part *part = parts; part != NULL; part = part->next) {
        if (part->locked && part->release != NULL) {
            part->release();
        }
        if (part->locked && part->lock != NULL) {
            pthread_mutex_unlock(part->lock);
        }
    }
    pthread_mutex_unlock(&forking);
}

static void continue_parent(void)
{
    if (!was_inside) {
        release_parts();
    }
}

static void wipe_parts(void)
{
    for (struct fork_part *part = parts; part != NULL; part = part->next) {
        if (part->wipe != NULL) {
            part->wipe();
        }
    }
}

static void begin_child(void)
{
    wipe_parts(); /* of a foreign child, too */
    atomic_fetch_add(&count, 1);
    if (was_inside || !at_rest) {
        atomic_store(&foreign, true);
    }
    if (mark != NULL) {
        atomic_store(mark, 1);
    }
    if (was_inside) {
        return; /* this thread may hold our locks itself */
    }
    for (struct fork_part *part = parts; part != NULL; part = part->next) {
        if (!part->locked) {
            pthread_mutex_init(part->lock, NULL); /* whoever holds it is not here */
        } else if (part->renew != NULL) {
            part->renew();
        }
    }
    release_parts();
}

static void watch_forks(void)
{
    void *page = mmap(NULL, MARK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page != MAP_FAILED && madvise(page, MARK_BYTES, MADV_WIPEONFORK) == 0) {
        mark = page;
        atomic_store(mark, 1);
    }
    if (pthread_atfork(hold_parts, continue_parent, begin_child) != 0 && mark == NULL) {
        atomic_store(&foreign, true); /* out of memory while loading: better no service */
    }
}

void fork_join(struct fork_part *part)
{
    if (parts == NULL) {
        watch_forks();
    }
    part->next = parts;
    parts = part;
}

void fork_enter_call(void)
{
    calls++;
}

void fork_leave_call(void)
{
    calls--;
}

unsigned fork_count(void)
{
    return atomic_load(&count);
}

bool fork_is_foreign(void)
{
    return atomic_load_explicit(&foreign, memory_order_relaxed) ||
           (mark != NULL && atomic_load_explicit(mark, memory_order_relaxed) == 0);
}
