/* SPDX-License-Identifier: Apache-2.0 */
#include "node/housekeeping.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/report.h"
#include "base/thread.h"
#include "node/reload.h"

#define TICK_MS 1000u

struct housekeeping {
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
static bool rest(struct housekeeping *housekeeping)
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
static void look(struct housekeeping *housekeeping)
{
    nk_error err = { .struct_size = sizeof(err) };
    uint64_t now = reload_fingerprint(housekeeping->core);
    bool changed = now != housekeeping->seen;

    if (!changed && !housekeeping->unsure) {
        return;
    }
    housekeeping->seen = now;
    nk_status status = reload_now(housekeeping->core, RELOAD_SAYS_NEWS, &err);
    housekeeping->unsure = changed || status != NK_OK;
}

static void look_at_unfinished(struct core *core)
{
    unsigned long long signatures = hsm_key_inbound_signatures(core->ours[OUR_SERVER]->key);
    unfinished_handshakes_look(&core->unfinished, signatures, clock_now_ms(), &core->host);
}

static void *run(void *arg)
{
    struct housekeeping *housekeeping = arg;

    while (!rest(housekeeping) && hsm_enter()) {
        housekeeping->ticks++;
        if (housekeeping->ticks % reload_interval_seconds(housekeeping->core) == 0) {
            look(housekeeping);
        }
        reload_tick(housekeeping->core);
        look_at_unfinished(housekeeping->core);
        hsm_leave();
    }
    return NULL;
}

static void housekeeping_free(struct housekeeping *housekeeping)
{
    pthread_cond_destroy(&housekeeping->stopped);
    pthread_mutex_destroy(&housekeeping->lock);
    core_unref(housekeeping->core);
    free(housekeeping);
}

nk_status housekeeping_start(struct core *core, nk_error *err)
{
    struct housekeeping *housekeeping = calloc(1, sizeof(*housekeeping));

    if (housekeeping == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    housekeeping->core = core_ref(core);
    housekeeping->seen = core->first_fingerprint;
    housekeeping->unsure = true; /* the configuration was read before that */
    pthread_mutex_init(&housekeeping->lock, NULL);
    clock_cond_init(&housekeeping->stopped);
    if (!thread_start(&housekeeping->thread, run, housekeeping)) {
        housekeeping_free(housekeeping);
        return report(err, NK_E_INTERNAL, "the system gives us no thread");
    }
    core->housekeeping = housekeeping;
    return NK_OK;
}

void housekeeping_stop(struct core *core)
{
    struct housekeeping *housekeeping = core->housekeeping;

    if (housekeeping == NULL) {
        return;
    }
    core->housekeeping = NULL;
    pthread_mutex_lock(&housekeeping->lock);
    housekeeping->stop = true;
    pthread_cond_signal(&housekeeping->stopped);
    pthread_mutex_unlock(&housekeeping->lock);
    pthread_join(housekeeping->thread, NULL);
    housekeeping_free(housekeeping);
}
