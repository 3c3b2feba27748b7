/* SPDX-License-Identifier: Apache-2.0
 * A crew's life, its queues and its threads. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/sigpipe.h"
#include "base/worker.h"
#include "wait/signers_private.h"

/* --- queues, under lock --- */

void crew_append(struct queue *queue, struct job *job)
{
    job->next = NULL;
    *queue->end = job;
    queue->end = &job->next;
    queue->len++;
}

struct job *crew_shift(struct queue *queue)
{
    struct job *job = queue->first;

    if (job != NULL) {
        queue->first = job->next;
        queue->end = queue->first != NULL ? queue->end : &queue->first;
        queue->len--;
    }
    return job;
}

void crew_withdraw(struct queue *queue, struct job *job)
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

struct queue *crew_queue_of(struct crew *crew, const struct job *job)
{
    return job->inbound ? &crew->inbound : &crew->outbound;
}

unsigned crew_free_for_inbound(const struct crew *crew)
{
    unsigned all = crew->max_threads > 1 ? crew->max_threads - 1 : 1;
    return all - crew->inbound_running;
}

static struct job *next_job(struct crew *crew)
{
    struct job *job = crew_shift(&crew->outbound);
    return job == NULL && crew_free_for_inbound(crew) > 0 ? crew_shift(&crew->inbound) : job;
}

/* --- life --- */

struct crew *crew_new(unsigned max_threads, unsigned max_waiting_inbound)
{
    struct crew *crew = calloc(1, sizeof(*crew));

    if (crew == NULL) {
        return NULL;
    }
    crew->running = calloc(max_threads, sizeof(struct job *));
    if (crew->running == NULL) {
        free(crew);
        return NULL;
    }
    crew->max_threads = max_threads;
    crew->max_waiting_inbound = max_waiting_inbound;
    crew->refs = 1;
    crew->outbound.end = &crew->outbound.first;
    crew->inbound.end = &crew->inbound.first;
    breaker_init(&crew->breaker);
    pthread_mutex_init(&crew->lock, NULL);
    clock_cond_init(&crew->work);
    clock_cond_init(&crew->closed);
    return crew;
}

/* Under lock, which it releases. */
static void let_go(struct crew *crew)
{
    bool last = --crew->refs == 0;
    pthread_mutex_unlock(&crew->lock);
    if (!last) {
        return;
    }
    pthread_cond_destroy(&crew->work);
    pthread_cond_destroy(&crew->closed);
    pthread_mutex_destroy(&crew->lock);
    breaker_clear(&crew->breaker);
    free(crew->running);
    free(crew);
}

void crew_close(struct crew *crew)
{
    if (crew == NULL) {
        return;
    }
    pthread_mutex_lock(&crew->lock);
    crew->closing = true;
    pthread_cond_broadcast(&crew->work);
    pthread_cond_broadcast(&crew->closed);
    let_go(crew);
}

struct breaker *crew_breaker(struct crew *crew)
{
    return &crew->breaker;
}

/* Under lock. True when the job is nobody's any more. */
bool crew_unref(struct job *job)
{
    return --job->refs == 0;
}

void crew_dispose(struct job *job)
{
    pthread_cond_destroy(&job->changed);
    job->free(job);
}

/* --- threads --- */

static struct job **desk_of(struct crew *crew, const struct job *job)
{
    unsigned i = 0;
    while (crew->running[i] != job) {
        i++;
    }
    return &crew->running[i];
}

/* Under lock, which is open meanwhile. */
static void perform(struct crew *crew, struct job *job)
{
    struct job **desk = desk_of(crew, NULL);
    *desk = job;
    job->state = JOB_RUNS;
    job->began_ms = clock_now_ms();
    crew->inbound_running += job->inbound ? 1 : 0;
    pthread_mutex_unlock(&crew->lock);

    job->run(job);

    pthread_mutex_lock(&crew->lock);
    *desk = NULL;
    crew->inbound_running -= job->inbound ? 1 : 0;
    job->state = JOB_DONE;
    if (job->waited_for) {
        pthread_cond_signal(&job->changed);
    }
    if (crew_unref(job)) {
        pthread_mutex_unlock(&crew->lock);
        crew_dispose(job);
        pthread_mutex_lock(&crew->lock);
    }
}

static void *work(void *arg)
{
    struct crew *crew = arg;

    sigpipe_blocked_for_good();
    pthread_mutex_lock(&crew->lock);
    for (;;) {
        struct job *job = next_job(crew);
        if (job != NULL) {
            perform(crew, job);
            continue;
        }
        if (crew->closing) {
            break;
        }
        crew->idle++;
        pthread_cond_wait(&crew->work, &crew->lock);
        crew->idle--;
    }
    crew->threads--;
    let_go(crew);
    return NULL;
}

/* Under lock. */
static bool hire(struct crew *crew)
{
    bool made = worker_start(NULL, work, crew);
    crew->threads += made ? 1 : 0;
    crew->refs += made ? 1 : 0;
    return made;
}

/* Under lock, before the job is in its queue. False: there is no thread and none can be made. */
bool crew_find_hands(struct crew *crew)
{
    unsigned waiting = crew->inbound.len + crew->outbound.len;
    if (crew->idle > 0) { /* also when they may be meant for others: it costs a look at the queue */
        pthread_cond_signal(&crew->work);
    }
    bool hired = crew->idle <= waiting && crew->threads < crew->max_threads && hire(crew);
    return hired || crew->threads > 0;
}

bool crew_sleep(struct crew *crew, unsigned ms)
{
    struct timespec deadline = clock_deadline(ms);
    int rc = 0;

    pthread_mutex_lock(&crew->lock);
    while (!crew->closing && rc == 0) {
        rc = pthread_cond_timedwait(&crew->closed, &crew->lock, &deadline);
    }
    bool go_on = !crew->closing;
    pthread_mutex_unlock(&crew->lock);
    return go_on;
}
