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
#include "base/thread.h"
#include "hsm.h"

#define THREAD_NAME "nodekey-lent"

struct polling_threads {
    grpc_completion_queue *queue;
    unsigned made;
    pthread_t *threads;

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t ended;
    unsigned running;
    bool left_behind; /* by who made them: the last to end tidies up */
};

static void polling_threads_free(struct polling_threads *polling)
{
    grpc_completion_queue_destroy(polling->queue);
    pthread_cond_destroy(&polling->ended);
    pthread_mutex_destroy(&polling->lock);
    free(polling->threads);
    free(polling);
    grpc_shutdown();
}

/* The queue's only event is its shutdown; what gRPC runs for others happens inside the call. */
static void *poll_queue(void *arg)
{
    struct polling_threads *polling = arg;

    callback_enter();
    (void)pthread_setname_np(pthread_self(), THREAD_NAME);
    (void)grpc_completion_queue_next(polling->queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    pthread_mutex_lock(&polling->lock);
    bool last = --polling->running == 0;
    bool tidies_up = last && polling->left_behind;
    if (last) {
        pthread_cond_signal(&polling->ended);
    }
    pthread_mutex_unlock(&polling->lock);
    if (tidies_up && hsm_enter()) { /* else the process exits: gRPC may be gone */
        polling_threads_free(polling);
        hsm_leave();
    }
    return NULL;
}

static struct polling_threads *make_polling(unsigned threads)
{
    struct polling_threads *polling = calloc(1, sizeof(*polling));

    if (polling == NULL) {
        return NULL;
    }
    polling->threads = calloc(threads, sizeof(*polling->threads));
    if (polling->threads == NULL) {
        free(polling);
        return NULL;
    }
    grpc_init();
    pthread_mutex_init(&polling->lock, NULL);
    clock_cond_init(&polling->ended);
    polling->queue = grpc_completion_queue_create_for_next(NULL);
    return polling;
}

nk_status polling_threads_start(unsigned threads, struct polling_threads **ret_polling,
                                nk_error *err)
{
    struct polling_threads *polling = make_polling(threads);

    if (polling == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    polling->running = threads; /* before the first can count itself out */
    while (polling->made < threads &&
           thread_start(&polling->threads[polling->made], poll_queue, polling)) {
        polling->made++;
    }
    if (polling->made == threads) {
        *ret_polling = polling;
        return NK_OK;
    }
    unsigned made = polling->made;
    pthread_mutex_lock(&polling->lock);
    polling->running -= threads - made;
    pthread_mutex_unlock(&polling->lock);
    polling_threads_dismiss(polling);
    (void)!polling_threads_join(polling, clock_now_ms());
    return report(
        err, NK_E_INTERNAL,
        "grpc.lent_threads: the system gives us %u of %u threads; ask for fewer, or raise "
        "the node's limit (ulimit -u, TasksMax)",
        made, threads);
}

void polling_threads_dismiss(struct polling_threads *polling)
{
    if (polling != NULL) {
        grpc_completion_queue_shutdown(polling->queue);
    }
}

static unsigned await_end(struct polling_threads *polling, long long deadline_ms)
{
    long long left_ms = deadline_ms - clock_now_ms();
    struct timespec deadline = clock_deadline(left_ms > 0 ? (unsigned)left_ms : 0);
    int rc = 0;

    pthread_mutex_lock(&polling->lock);
    while (polling->running > 0 && rc == 0) {
        rc = pthread_cond_timedwait(&polling->ended, &polling->lock, &deadline);
    }
    unsigned running = polling->running;
    polling->left_behind = running > 0;
    for (unsigned i = 0; i < polling->made && running > 0; i++) {
        pthread_detach(polling->threads[i]);
    }
    pthread_mutex_unlock(&polling->lock);
    return running;
}

unsigned polling_threads_join(struct polling_threads *polling, long long deadline_ms)
{
    unsigned missing = polling != NULL ? await_end(polling, deadline_ms) : 0;

    if (polling == NULL || missing > 0) {
        return missing;
    }
    for (unsigned i = 0; i < polling->made; i++) {
        pthread_join(polling->threads[i], NULL);
    }
    polling_threads_free(polling);
    return 0;
}
