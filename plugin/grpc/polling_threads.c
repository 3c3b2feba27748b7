/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/polling_threads.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include <grpc/grpc.h>
#include <grpc/support/time.h>

#include "base/callback.h"
#include "base/clock.h"
#include "base/report.h"
#include "base/worker.h"
#include "hsm.h"

#define THREAD_NAME "nodekey-lent"

struct lent {
    grpc_completion_queue *queue;
    unsigned made;
    pthread_t *threads;

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t ended;
    unsigned polling;
    bool left_behind; /* by who made them: the last to end tidies up */
};

static void lent_free(struct lent *lent)
{
    grpc_completion_queue_destroy(lent->queue);
    pthread_cond_destroy(&lent->ended);
    pthread_mutex_destroy(&lent->lock);
    free(lent->threads);
    free(lent);
    grpc_shutdown();
}

/* The queue's only event is its shutdown; what gRPC runs for others happens inside the call. */
static void *lend(void *arg)
{
    struct lent *lent = arg;

    callback_enter();
    (void)pthread_setname_np(pthread_self(), THREAD_NAME);
    (void)grpc_completion_queue_next(lent->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    pthread_mutex_lock(&lent->lock);
    bool last = --lent->polling == 0;
    bool tidies_up = last && lent->left_behind;
    if (last) {
        pthread_cond_signal(&lent->ended);
    }
    pthread_mutex_unlock(&lent->lock);
    if (tidies_up && hsm_enter()) { /* else the process exits: gRPC may be gone */
        lent_free(lent);
        hsm_leave();
    }
    return NULL;
}

static struct lent *make(unsigned threads)
{
    struct lent *lent = calloc(1, sizeof(*lent));

    if (lent == NULL) {
        return NULL;
    }
    lent->threads = calloc(threads, sizeof(*lent->threads));
    if (lent->threads == NULL) {
        free(lent);
        return NULL;
    }
    grpc_init();
    pthread_mutex_init(&lent->lock, NULL);
    clock_cond_init(&lent->ended);
    lent->queue = grpc_completion_queue_create_for_next(NULL);
    return lent;
}

nk_status lent_start(unsigned threads, struct lent **ret_lent, nk_error *err)
{
    struct lent *lent = make(threads);

    if (lent == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    lent->polling = threads; /* before the first can count itself out */
    while (lent->made < threads && worker_start(&lent->threads[lent->made], lend, lent)) {
        lent->made++;
    }
    if (lent->made == threads) {
        *ret_lent = lent;
        return NK_OK;
    }
    unsigned made = lent->made;
    pthread_mutex_lock(&lent->lock);
    lent->polling -= threads - made;
    pthread_mutex_unlock(&lent->lock);
    lent_dismiss(lent);
    (void)!lent_join(lent, clock_now_ms());
    return report(
        err, NK_E_INTERNAL,
        "grpc.lent_threads: the system gives us %u of %u threads; ask for fewer, or raise "
        "the node's limit (ulimit -u, TasksMax)",
        made, threads);
}

void lent_dismiss(struct lent *lent)
{
    if (lent != NULL) {
        grpc_completion_queue_shutdown(lent->queue);
    }
}

static unsigned await_end(struct lent *lent, long long deadline_ms)
{
    long long left_ms = deadline_ms - clock_now_ms();
    struct timespec deadline = clock_deadline(left_ms > 0 ? (unsigned)left_ms : 0);
    int rc = 0;

    pthread_mutex_lock(&lent->lock);
    while (lent->polling > 0 && rc == 0) {
        rc = pthread_cond_timedwait(&lent->ended, &lent->lock, &deadline);
    }
    unsigned polling = lent->polling;
    lent->left_behind = polling > 0;
    for (unsigned i = 0; i < lent->made && polling > 0; i++) {
        pthread_detach(lent->threads[i]);
    }
    pthread_mutex_unlock(&lent->lock);
    return polling;
}

unsigned lent_join(struct lent *lent, long long deadline_ms)
{
    unsigned missing = lent != NULL ? await_end(lent, deadline_ms) : 0;

    if (lent == NULL || missing > 0) {
        return missing;
    }
    for (unsigned i = 0; i < lent->made; i++) {
        pthread_join(lent->threads[i], NULL);
    }
    lent_free(lent);
    return 0;
}
