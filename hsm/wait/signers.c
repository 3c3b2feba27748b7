/* SPDX-License-Identifier: Apache-2.0
 * A crew's life, its queues and its threads. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/sigpipe.h"
#include "base/thread.h"
#include "wait/signers_private.h"

/* --- queues, under lock --- */

void signers_append(struct queue *queue, struct job *job)
{
    job->next = NULL;
    *queue->end = job;
    queue->end = &job->next;
    queue->len++;
}

struct job *signers_dequeue(struct queue *queue)
{
    struct job *job = queue->first;

    if (job != NULL) {
        queue->first = job->next;
        queue->end = queue->first != NULL ? queue->end : &queue->first;
        queue->len--;
    }
    return job;
}

void signers_withdraw(struct queue *queue, struct job *job)
{
    for (struct job **link = &queue->first; *link != NULL; link = &(*link)->next) {
        if (*link == job) {
            *link = job->next;
            queue->end = queue->end == &job->next ? link : queue->end;
            queue->len--;
            return;
        }
    }
}

struct queue *signers_queue_of(struct signers *signers, const struct job *job)
{
    return job->inbound ? &signers->inbound : &signers->outbound;
}

unsigned signers_free_for_inbound(const struct signers *signers)
{
    unsigned all = signers->max_threads > 1 ? signers->max_threads - 1 : 1;
    return all - signers->inbound_running;
}

static struct job *next_job(struct signers *signers)
{
    struct job *job = signers_dequeue(&signers->outbound);
    return job == NULL && signers_free_for_inbound(signers) > 0 ? signers_dequeue(&signers->inbound)
                                                                : job;
}

/* --- life --- */

struct signers *signers_new(unsigned max_threads, unsigned max_waiting_inbound)
{
    struct signers *signers = calloc(1, sizeof(*signers));

    if (signers == NULL) {
        return NULL;
    }
    signers->running = calloc(max_threads, sizeof(struct job *));
    if (signers->running == NULL) {
        free(signers);
        return NULL;
    }
    signers->max_threads = max_threads;
    signers->max_waiting_inbound = max_waiting_inbound;
    signers->refs = 1;
    signers->outbound.end = &signers->outbound.first;
    signers->inbound.end = &signers->inbound.first;
    breaker_init(&signers->breaker);
    pthread_mutex_init(&signers->lock, NULL);
    clock_cond_init(&signers->work);
    clock_cond_init(&signers->closed);
    return signers;
}

/* Under lock, which it releases. */
static void let_go(struct signers *signers)
{
    bool last = --signers->refs == 0;
    pthread_mutex_unlock(&signers->lock);
    if (!last) {
        return;
    }
    pthread_cond_destroy(&signers->work);
    pthread_cond_destroy(&signers->closed);
    pthread_mutex_destroy(&signers->lock);
    breaker_clear(&signers->breaker);
    free(signers->running);
    free(signers);
}

void signers_close(struct signers *signers)
{
    if (signers == NULL) {
        return;
    }
    pthread_mutex_lock(&signers->lock);
    signers->closing = true;
    pthread_cond_broadcast(&signers->work);
    pthread_cond_broadcast(&signers->closed);
    let_go(signers);
}

struct breaker *signers_breaker(struct signers *signers)
{
    return &signers->breaker;
}

/* Under lock. True when the job is nobody's any more. */
bool signers_unref(struct job *job)
{
    return --job->refs == 0;
}

void signers_dispose(struct job *job)
{
    pthread_cond_destroy(&job->changed);
    job->free(job);
}

/* --- threads --- */

static struct job **slot_of(struct signers *signers, const struct job *job)
{
    unsigned i = 0;
    while (signers->running[i] != job) {
        i++;
    }
    return &signers->running[i];
}

/* Under lock, which is open meanwhile. */
static void perform(struct signers *signers, struct job *job)
{
    struct job **slot = slot_of(signers, NULL);
    *slot = job;
    job->state = JOB_RUNS;
    job->began_ms = clock_now_ms();
    signers->inbound_running += job->inbound ? 1 : 0;
    pthread_mutex_unlock(&signers->lock);

    job->run(job);

    pthread_mutex_lock(&signers->lock);
    *slot = NULL;
    signers->inbound_running -= job->inbound ? 1 : 0;
    job->state = JOB_DONE;
    if (job->waited_for) {
        pthread_cond_signal(&job->changed);
    }
    if (signers_unref(job)) {
        pthread_mutex_unlock(&signers->lock);
        signers_dispose(job);
        pthread_mutex_lock(&signers->lock);
    }
}

static void *work(void *arg)
{
    struct signers *signers = arg;

    sigpipe_blocked_for_good();
    pthread_mutex_lock(&signers->lock);
    for (;;) {
        struct job *job = next_job(signers);
        if (job != NULL) {
            perform(signers, job);
            continue;
        }
        if (signers->closing) {
            break;
        }
        signers->idle++;
        pthread_cond_wait(&signers->work, &signers->lock);
        signers->idle--;
    }
    signers->threads--;
    let_go(signers);
    return NULL;
}

/* Under lock. */
static bool add_thread(struct signers *signers)
{
    bool made = thread_start(NULL, work, signers);
    signers->threads += made ? 1 : 0;
    signers->refs += made ? 1 : 0;
    return made;
}

/* Under lock, before the job is in its queue. False: there is no thread and none can be made. */
bool signers_add_thread(struct signers *signers)
{
    unsigned waiting = signers->inbound.len + signers->outbound.len;
    if (signers->idle >
        0) { /* also when they may be meant for others: it costs a look at the queue */
        pthread_cond_signal(&signers->work);
    }
    bool added =
        signers->idle <= waiting && signers->threads < signers->max_threads && add_thread(signers);
    return added || signers->threads > 0;
}

bool signers_sleep(struct signers *signers, unsigned ms)
{
    struct timespec deadline = clock_deadline(ms);
    int rc = 0;

    pthread_mutex_lock(&signers->lock);
    while (!signers->closing && rc == 0) {
        rc = pthread_cond_timedwait(&signers->closed, &signers->lock, &deadline);
    }
    bool go_on = !signers->closing;
    pthread_mutex_unlock(&signers->lock);
    return go_on;
}
