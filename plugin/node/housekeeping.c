/* SPDX-License-Identifier: Apache-2.0 */
#include "node/housekeeping.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/report.h"
#include "base/worker.h"
#include "node/reload.h"

#define TICK_MS 1000u

struct steward {
    struct core *core; /* counted */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    bool stop; /* guarded by lock */
    uint64_t seen;
    bool unsure; /* a file was written around the time we read it */
    unsigned ticks;
};

/* True: time to end. */
static bool rest(struct steward *steward)
{
    struct timespec deadline = clock_deadline(TICK_MS);
    int rc = 0;

    pthread_mutex_lock(&steward->lock);
    while (!steward->stop && rc == 0) {
        rc = pthread_cond_timedwait(&steward->stopped, &steward->lock, &deadline);
    }
    bool stop = steward->stop;
    pthread_mutex_unlock(&steward->lock);
    return stop;
}

/* File times are no finer than the kernel's tick, and a writer may be half-way: what changed is
 * read once more at the next look. What failed is read again until it works: a disk is full for a
 * while, a CRL comes from a clock that is ahead. It is said when the failure is another one. */
static void look(struct steward *steward)
{
    nk_error err = { .struct_size = sizeof(err) };
    uint64_t now = reload_fingerprint(steward->core);
    bool changed = now != steward->seen;

    if (!changed && !steward->unsure) {
        return;
    }
    steward->seen = now;
    nk_status status = reload_now(steward->core, RELOAD_SAYS_NEWS, &err);
    steward->unsure = changed || status != NK_OK;
}

static void look_at_strangers(struct core *core)
{
    unsigned long long signatures = hsm_key_inbound_signatures(core->ours[OUR_SERVER]->key);
    strangers_look(&core->strangers, signatures, clock_now_ms(), &core->host);
}

static void *run(void *arg)
{
    struct steward *steward = arg;

    while (!rest(steward) && hsm_enter()) {
        steward->ticks++;
        if (steward->ticks % reload_interval_seconds(steward->core) == 0) {
            look(steward);
        }
        reload_tick(steward->core);
        look_at_strangers(steward->core);
        hsm_leave();
    }
    return NULL;
}

static void steward_free(struct steward *steward)
{
    pthread_cond_destroy(&steward->stopped);
    pthread_mutex_destroy(&steward->lock);
    core_unref(steward->core);
    free(steward);
}

nk_status steward_start(struct core *core, nk_error *err)
{
    struct steward *steward = calloc(1, sizeof(*steward));

    if (steward == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    steward->core = core_ref(core);
    steward->seen = core->first_fingerprint;
    steward->unsure = true; /* the configuration was read before that */
    pthread_mutex_init(&steward->lock, NULL);
    clock_cond_init(&steward->stopped);
    if (!worker_start(&steward->thread, run, steward)) {
        steward_free(steward);
        return report(err, NK_E_INTERNAL, "the system gives us no thread");
    }
    core->steward = steward;
    return NK_OK;
}

void steward_stop(struct core *core)
{
    struct steward *steward = core->steward;

    if (steward == NULL) {
        return;
    }
    core->steward = NULL;
    pthread_mutex_lock(&steward->lock);
    steward->stop = true;
    pthread_cond_signal(&steward->stopped);
    pthread_mutex_unlock(&steward->lock);
    pthread_join(steward->thread, NULL);
    steward_free(steward);
}
