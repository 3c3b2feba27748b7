/* SPDX-License-Identifier: Apache-2.0
 * Monotonic time: a clock set back must not make a wait endless. All [any]. */
#ifndef NODEKEY_CLOCK_H
#define NODEKEY_CLOCK_H

#include <pthread.h>
#include <time.h>

static inline long long clock_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline long long clock_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The moment in `wait_ms`, for pthread_cond_timedwait. */
static inline struct timespec clock_deadline(unsigned wait_ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += wait_ms / 1000;
    at.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

/* A condition whose timed waits take clock_deadline. Owned: pthread_cond_destroy. */
static inline void clock_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

/* Ends early when a signal handler of the host's runs on this thread. */
static inline void clock_sleep_ms(unsigned ms)
{
    struct timespec rest = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
    nanosleep(&rest, NULL);
}

#endif
