/* SPDX-License-Identifier: Apache-2.0
 * The life of signing workers: their queues, their threads, and what a fork leaves of them. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/fork.h"
#include "base/sigpipe.h"
#include "base/thread.h"
#include "wait/signers_private.h"

/* --- queues, under lock --- */

void signers_append_locked(struct queue *queue, struct job *job)
{
    job->next = NULL;
    *queue->end = job;
    queue->end = &job->next;
    queue->len++;
}

/* The first, or NULL. */
static struct job *dequeue_job_locked(struct queue *queue)
{
    struct job *job = queue->first;

    if (job != NULL) {
        queue->first = job->next;
        queue->end = queue->first != NULL ? queue->end : &queue->first;
        queue->len--;
    }
    return job;
}

void signers_withdraw_locked(struct queue *queue, struct job *job)
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

unsigned signers_free_for_inbound_locked(const struct signers *signers)
{
    unsigned all = signers->max_threads > 1 ? signers->max_threads - 1 : 1;
    return all - signers->inbound_running;
}

static struct job *next_job_locked(struct signers *signers)
{
    if (signers->calling == signers->max_threads) {
        return NULL;
    }
    struct job *job = dequeue_job_locked(&signers->outbound);
    return job == NULL && signers_free_for_inbound_locked(signers) > 0
               ? dequeue_job_locked(&signers->inbound)
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
    clock_cond_init(&signers->watch);
    return signers;
}

void signers_unref_and_unlock(struct signers *signers)
{
    bool last = --signers->refs == 0;
    pthread_mutex_unlock(&signers->lock);
    if (!last) {
        return;
    }
    pthread_cond_destroy(&signers->work);
    pthread_cond_destroy(&signers->closed);
    pthread_cond_destroy(&signers->watch);
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
    pthread_cond_signal(&signers->watch);
    signers_unref_and_unlock(signers);
}

struct breaker *signers_breaker(struct signers *signers)
{
    return &signers->breaker;
}

void signers_drop_locked(struct signers *signers, struct job *job)
{
    if (--job->refs > 0) {
        return;
    }
    signers->refs -= job->launched ? 1 : 0;
    pthread_mutex_unlock(&signers->lock);
    pthread_cond_destroy(&job->changed);
    job->free(job);
    pthread_mutex_lock(&signers->lock);
}

/* --- threads --- */

static struct job **find_slot_locked(struct signers *signers, const struct job *job)
{
    unsigned i = 0;
    while (signers->running[i] != job) {
        i++;
    }
    return &signers->running[i];
}

/* The lock is open while the job runs. */
static void run_job_locked(struct signers *signers, struct job *job)
{
    struct job **slot = find_slot_locked(signers, NULL);
    *slot = job;
    job->state = JOB_RUNS;
    job->began_ms = clock_now_ms();
    signers->calling++;
    signers->inbound_running += job->inbound ? 1 : 0;
    pthread_mutex_unlock(&signers->lock);

    job->run(job);

    pthread_mutex_lock(&signers->lock);
    *slot = NULL;
    signers->calling--;
    signers->inbound_running -= job->inbound ? 1 : 0;
    job->state = JOB_DONE;
    if (job->waited_for) {
        pthread_cond_signal(&job->changed);
    }
    signers_answer_locked(signers, job);
    signers_drop_locked(signers, job);
}

static void *serve_jobs(void *arg)
{
    struct signers *signers = arg;

    sigpipe_blocked_for_good();
    pthread_mutex_lock(&signers->lock);
    for (;;) {
        struct job *job = next_job_locked(signers);
        if (job != NULL) {
            run_job_locked(signers, job);
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
    signers_unref_and_unlock(signers);
    return NULL;
}

static bool start_thread_locked(struct signers *signers)
{
    bool made = thread_start(NULL, serve_jobs, signers);
    signers->threads += made ? 1 : 0;
    signers->refs += made ? 1 : 0;
    return made;
}

/* While a worker calls back, another one serves in its place: the caller's code may take its time,
 * or ask for a signature itself. */
bool signers_may_grow_locked(const struct signers *signers)
{
    return signers->threads - signers->answering < signers->max_threads &&
           signers->threads < 2 * signers->max_threads;
}

bool signers_add_thread_locked(struct signers *signers)
{
    unsigned waiting = signers->inbound.len + signers->outbound.len;
    if (signers->idle > 0) { /* a thread that is woken for another's job goes back to sleep */
        pthread_cond_signal(&signers->work);
    }
    bool added = signers->idle <= waiting && signers_may_grow_locked(signers) &&
                 start_thread_locked(signers);
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

/* --- a fork --- */

bool signers_hold(struct signers *signers, long long deadline_ms)
{
    signers->held[0] = fork_lock_by(&signers->lock, deadline_ms);
    signers->held[1] = fork_lock_by(&signers->breaker.lock, deadline_ms);
    return signers->held[0] && signers->held[1];
}

void signers_release(struct signers *signers)
{
    if (signers->held[1]) {
        pthread_mutex_unlock(&signers->breaker.lock);
    }
    if (signers->held[0]) {
        pthread_mutex_unlock(&signers->lock);
    }
}

static void lose_job_locked(struct signers *signers, struct job *job)
{
    job->next = signers->lost;
    signers->lost = job;
}

static void lose_queue_locked(struct signers *signers, struct queue *queue)
{
    for (struct job *job = dequeue_job_locked(queue); job != NULL;
         job = dequeue_job_locked(queue)) {
        lose_job_locked(signers, job);
    }
}

void signers_renew(struct signers *signers)
{
    lose_queue_locked(signers, &signers->outbound);
    lose_queue_locked(signers, &signers->inbound);
    for (unsigned i = 0; i < signers->max_threads; i++) {
        if (signers->running[i] != NULL) {
            lose_job_locked(signers, signers->running[i]);
        }
        signers->running[i] = NULL;
    }
    signers->refs = 1;
    signers->threads = 0;
    signers->idle = 0;
    signers->calling = 0;
    signers->answering = 0;
    signers->inbound_running = 0;
    signers->pending = NULL;
    signers->watched = false;
    clock_cond_init(&signers->work);
    clock_cond_init(&signers->watch);
    clock_cond_init(&signers->closed);
    breaker_renew_locked(&signers->breaker);
}
