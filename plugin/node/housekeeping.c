/* SPDX-License-Identifier: Apache-2.0 */
#include "node/housekeeping.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/report.h"
#include "base/thread.h"
#include "grpc/publication.h"
#include "node/reload.h"

#define TICK_MS 1000u

struct housekeeping {
    struct nk_instance *instance; /* borrowed: outlives the thread */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    bool stop; /* guarded by lock */
    uint64_t seen;
    bool unsure; /* a file was written around the time we read it */
    unsigned ticks;
};

/* A tick of rest. True: time to end. */
static bool rest_until_tick(struct housekeeping *housekeeping)
{
    struct timespec deadline = clock_deadline(TICK_MS);
    int rc = 0;

    pthread_mutex_lock(&housekeeping->lock);
    while (!housekeeping->stop && rc == 0) {
        rc = pthread_cond_timedwait(&housekeeping->stopped, &housekeeping->lock, &deadline);
    }
    bool stop = housekeeping->stop;
    pthread_mutex_unlock(&housekeeping->lock);
    return stop;
}

/* File times are no finer than the kernel's tick, and a writer may be half-way: what changed is
 * read once more at the next look. What failed is read again until it works: a disk is full for a
 * while, a CRL comes from a clock that is ahead. It is said when the failure is another one. */
static void look_at_files(struct housekeeping *housekeeping)
{
    nk_error err = { .struct_size = sizeof(err) };
    uint64_t now = reload_fingerprint(housekeeping->instance);
    bool changed = now != housekeeping->seen;

    if (!changed && !housekeeping->unsure) {
        return;
    }
    housekeeping->seen = now;
    nk_status status = reload_now(housekeeping->instance, RELOAD_SAYS_NEWS, &err);
    housekeeping->unsure = changed || status != NK_OK;
}

static void look_at_unfinished(struct nk_instance *instance)
{
    unsigned long long signatures = hsm_key_inbound_signatures(instance->ours[OUR_SERVER]->key);
    unfinished_handshakes_look(verdicts_unfinished(instance->verdicts), signatures, clock_now_ms(),
                               verdicts_host(instance->verdicts));
}

static void *keep_house(void *arg)
{
    struct housekeeping *housekeeping = arg;

    while (!rest_until_tick(housekeeping) && hsm_enter()) {
        housekeeping->ticks++;
        if (housekeeping->ticks % reload_interval_seconds(housekeeping->instance) == 0) {
            look_at_files(housekeeping);
        }
        reload_tick(housekeeping->instance);
        look_at_unfinished(housekeeping->instance);
        publication_drop_sessions(credentials_publication(housekeeping->instance->credentials));
        verdicts_tell_held_back(housekeeping->instance->verdicts, false);
        hsm_leave();
    }
    return NULL;
}

static void housekeeping_free(struct housekeeping *housekeeping)
{
    pthread_cond_destroy(&housekeeping->stopped);
    pthread_mutex_destroy(&housekeeping->lock);
    free(housekeeping);
}

nk_status housekeeping_start(struct nk_instance *instance, struct housekeeping **ret_housekeeping,
                             nk_error *err)
{
    struct housekeeping *housekeeping = calloc(1, sizeof(*housekeeping));

    if (housekeeping == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    housekeeping->instance = instance;
    housekeeping->seen = instance->first_fingerprint;
    housekeeping->unsure = true; /* the configuration was read before that */
    pthread_mutex_init(&housekeeping->lock, NULL);
    clock_cond_init(&housekeeping->stopped);
    if (!thread_start(&housekeeping->thread, keep_house, housekeeping)) {
        housekeeping_free(housekeeping);
        return report(err, NK_E_INTERNAL, "the system gives us no thread");
    }
    *ret_housekeeping = housekeeping;
    return NK_OK;
}

void housekeeping_stop(struct housekeeping *housekeeping)
{
    if (housekeeping == NULL) {
        return;
    }
    pthread_mutex_lock(&housekeeping->lock);
    housekeeping->stop = true;
    pthread_cond_signal(&housekeeping->stopped);
    pthread_mutex_unlock(&housekeeping->lock);
    pthread_join(housekeeping->thread, NULL);
    housekeeping_free(housekeeping);
}
