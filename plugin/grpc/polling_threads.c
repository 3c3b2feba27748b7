/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/polling_threads.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/callback.h"
#include "base/clock.h"
#include "base/report.h"
#include "base/thread.h"
#include "grpc/core.h"
#include "hsm.h"
#include "wait/rundown.h"

#define THREAD_NAME "nodekey-lent"

struct polling_threads {
    grpc_completion_queue *queue;
    unsigned made;
    pthread_t *threads;
    struct rundown running; /* the threads */
};

static void polling_threads_free(struct polling_threads *polling)
{
    core()->grpc_completion_queue_destroy(polling->queue);
    free(polling->threads);
    free(polling);
    core()->grpc_shutdown();
}

/* The queue's only event is its shutdown; what gRPC runs for others happens inside the call. */
static void *poll_queue(void *arg)
{
    struct polling_threads *polling = arg;

    callback_enter();
    (void)pthread_setname_np(pthread_self(), THREAD_NAME);
    (void)core()->grpc_completion_queue_next(polling->queue,
                                             core()->gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    if (rundown_end(&polling->running) &&
        hsm_enter()) { /* else the process exits: gRPC may be gone */
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
    core()->grpc_init();
    polling->queue = core()->grpc_completion_queue_create_for_next(NULL);
    return polling;
}

static bool start_thread(struct polling_threads *polling)
{
    rundown_begin(&polling->running); /* before the thread can count itself out */
    return thread_start(&polling->threads[polling->made], poll_queue, polling) ||
           rundown_end(&polling->running);
}

nk_status polling_threads_start(unsigned threads, struct polling_threads **ret_polling,
                                nk_error *err)
{
    struct polling_threads *polling = make_polling(threads);

    if (polling == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    while (polling->made < threads && start_thread(polling)) {
        polling->made++;
    }
    if (polling->made == threads) {
        *ret_polling = polling;
        return NK_OK;
    }
    unsigned made = polling->made;
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
        core()->grpc_completion_queue_shutdown(polling->queue);
    }
}

unsigned polling_threads_join(struct polling_threads *polling, long long deadline_ms)
{
    if (polling == NULL) {
        return 0;
    }
    unsigned missing = rundown_await(&polling->running, deadline_ms);
    for (unsigned i = 0; i < polling->made; i++) {
        (void)(missing == 0 ? pthread_join(polling->threads[i], NULL)
                            : pthread_detach(polling->threads[i]));
    }
    if (missing > 0 && !rundown_leave(&polling->running)) {
        return missing;
    }
    polling_threads_free(polling);
    return 0;
}
