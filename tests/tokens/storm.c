/* SPDX-License-Identifier: Apache-2.0 */
#include "tokens/storm.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fixtures/wire/rpc.h"

#define PATIENCE_MS 60000 /* of a call that must work */
#define DIAL_PATIENCE_MS 20000
#define FAILED_PAUSE_MS 5 /* else the failures are all that this machine does */
#define CALL_PAUSE_MS 2
#define LOOK_MS 2

struct storm {
    grpc_channel_credentials *credentials;
    const char *address;
    unsigned diallers;
    pthread_t threads[STORM_DIALLERS_MAX];
    pthread_t caller;
    grpc_channel *standing;
    atomic_bool enough_dials;
    atomic_bool enough_calls;

    /* Odd: the token is broken, or not known to be whole. A dial is to blame for its failure when
     * it saw one even age from its begin to its end. */
    atomic_uint age;

    pthread_mutex_t lock; /* guards the rest */
    long long cured_us;   /* a dial that began later and succeeds shows that all is well again */
    long long healed_us;  /* 0: none has yet */
    struct storm_tally tally;
    struct storm_tally before; /* when the failures began */
    char blame[1200];
};

static long long now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

/* Under lock; the first is what counts. */
static void blame(struct storm *storm, const char *who, const struct rpc_result *result)
{
    if (storm->blame[0] == '\0') {
        snprintf(storm->blame, sizeof(storm->blame), "%s: %d %s", who, result->status,
                 result->details);
    }
}

static bool dial_once(struct storm *storm, unsigned patience_ms)
{
    unsigned age = atomic_load(&storm->age);
    long long began = now_us();
    struct rpc_result result = rpc_dial(storm->credentials, storm->address, patience_ms);
    bool whole = age % 2 == 0 && age == atomic_load(&storm->age);

    pthread_mutex_lock(&storm->lock);
    storm->tally.dialled++;
    storm->tally.failed += result.ok ? 0 : 1;
    if (!result.ok && whole) {
        storm->tally.blamed++;
        blame(storm, "a dial", &result);
    }
    if (result.ok && began > storm->cured_us && storm->healed_us == 0) {
        storm->healed_us = now_us();
    }
    pthread_mutex_unlock(&storm->lock);
    return result.ok;
}

static void *dial(void *arg)
{
    struct storm *storm = arg;
    while (!atomic_load(&storm->enough_dials)) {
        if (!dial_once(storm, DIAL_PATIENCE_MS)) {
            pause_ms(FAILED_PAUSE_MS);
        }
    }
    return NULL;
}

static void *call(void *arg)
{
    struct storm *storm = arg;
    while (!atomic_load(&storm->enough_calls)) {
        long long began = now_us();
        struct rpc_result result = rpc_call(storm->standing, PATIENCE_MS);
        double took_ms = (double)(now_us() - began) / 1e3;
        pthread_mutex_lock(&storm->lock);
        storm->tally.called++;
        if (!result.ok) {
            storm->tally.calls_failed++;
            blame(storm, "a call on the connection that stands", &result);
        }
        if (took_ms > storm->tally.longest_call_ms) {
            storm->tally.longest_call_ms = took_ms;
        }
        pthread_mutex_unlock(&storm->lock);
        pause_ms(CALL_PAUSE_MS);
    }
    return NULL;
}

static void start_thread(pthread_t *thread, void *(*run)(void *), void *arg)
{
    if (pthread_create(thread, NULL, run, arg) != 0) {
        fprintf(stderr, "storm: no thread\n");
        abort();
    }
}

struct storm *storm_start(grpc_channel_credentials *credentials, const char *address,
                          unsigned diallers)
{
    struct storm *storm = calloc(1, sizeof(*storm));
    if (storm == NULL || diallers > STORM_DIALLERS_MAX) {
        abort();
    }
    storm->credentials = credentials;
    storm->address = address;
    storm->diallers = diallers;
    pthread_mutex_init(&storm->lock, NULL);
    storm->standing = rpc_channel(credentials, address);
    struct rpc_result first = rpc_call_when_ready(storm->standing, PATIENCE_MS);
    if (!first.ok) {
        fprintf(stderr, "storm: no connection: %d %s\n", first.status, first.details);
        abort();
    }
    start_thread(&storm->caller, call, storm);
    for (unsigned i = 0; i < diallers; i++) {
        start_thread(&storm->threads[i], dial, storm);
    }
    return storm;
}

struct storm_tally storm_tally(struct storm *storm)
{
    pthread_mutex_lock(&storm->lock);
    struct storm_tally tally = storm->tally;
    pthread_mutex_unlock(&storm->lock);
    return tally;
}

void storm_expect_failures(struct storm *storm)
{
    atomic_fetch_add(&storm->age, 1);
    pthread_mutex_lock(&storm->lock);
    storm->before = storm->tally;
    pthread_mutex_unlock(&storm->lock);
}

bool storm_is_felt(struct storm *storm, unsigned long failures, unsigned long calls, unsigned ms)
{
    long long end = now_us() + ms * 1000LL;
    while (now_us() < end) {
        struct storm_tally now = storm_tally(storm);
        if (now.failed - storm->before.failed >= failures &&
            now.called - storm->before.called >= calls) {
            return true;
        }
        pause_ms(LOOK_MS);
    }
    return false;
}

bool storm_heals(struct storm *storm, unsigned ms, double *ret_took_ms)
{
    long long began = now_us();
    long long healed = 0;

    pthread_mutex_lock(&storm->lock);
    storm->cured_us = began;
    storm->healed_us = 0;
    pthread_mutex_unlock(&storm->lock);
    while (healed == 0 && now_us() < began + ms * 1000LL) {
        pause_ms(LOOK_MS);
        pthread_mutex_lock(&storm->lock);
        healed = storm->healed_us;
        pthread_mutex_unlock(&storm->lock);
    }
    if (healed == 0) {
        return false;
    }
    atomic_fetch_add(&storm->age, 1);
    *ret_took_ms = (double)(healed - began) / 1e3;
    return true;
}

bool storm_goes_on(struct storm *storm, unsigned long dials, unsigned ms)
{
    long long end = now_us() + ms * 1000LL;
    unsigned long before = storm_tally(storm).dialled;
    while (storm_tally(storm).dialled < before + dials) {
        if (now_us() > end) {
            return false;
        }
        pause_ms(LOOK_MS);
    }
    return true;
}

void storm_print_blame(struct storm *storm)
{
    pthread_mutex_lock(&storm->lock);
    if (storm->blame[0] != '\0') {
        printf("%s\n", storm->blame);
    }
    pthread_mutex_unlock(&storm->lock);
}

static void end_diallers(struct storm *storm)
{
    if (!atomic_exchange(&storm->enough_dials, true)) {
        for (unsigned i = 0; i < storm->diallers; i++) {
            pthread_join(storm->threads[i], NULL);
        }
    }
}

struct count {
    struct storm *storm;
    unsigned long wanted;
    atomic_ulong begun;
    atomic_ulong succeeded;
};

static void *dial_some(void *arg)
{
    struct count *count = arg;
    while (count->begun++ < count->wanted) {
        count->succeeded += dial_once(count->storm, PATIENCE_MS) ? 1 : 0;
    }
    return NULL;
}

unsigned long storm_count_successes(struct storm *storm, unsigned long dials)
{
    struct count count = { .storm = storm, .wanted = dials };

    end_diallers(storm);
    for (unsigned i = 0; i < storm->diallers; i++) {
        start_thread(&storm->threads[i], dial_some, &count);
    }
    for (unsigned i = 0; i < storm->diallers; i++) {
        pthread_join(storm->threads[i], NULL);
    }
    return count.succeeded;
}

void storm_stop(struct storm *storm)
{
    end_diallers(storm);
    atomic_store(&storm->enough_calls, true);
    pthread_join(storm->caller, NULL);
    grpc_channel_destroy(storm->standing);
    pthread_mutex_destroy(&storm->lock);
    free(storm);
}
