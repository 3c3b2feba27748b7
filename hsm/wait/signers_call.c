/* SPDX-License-Identifier: Apache-2.0
 * Those who bring a crew its jobs. */
#include "base/clock.h"
#include "wait/signers_private.h"

void job_drop(struct crew *crew, struct job *job)
{
    pthread_mutex_lock(&crew->lock);
    bool last = crew_unref(job);
    pthread_mutex_unlock(&crew->lock);
    if (last) {
        crew_dispose(job);
    }
}

/* Under lock. */
static void enqueue(struct crew *crew, struct job *job, bool waited_for)
{
    job->state = JOB_WAITS;
    job->waited_for = waited_for;
    crew_append(crew_queue_of(crew, job), job);
}

/* Under lock. */
static enum crew_answer await(struct crew *crew, struct job *job, const struct timespec *deadline)
{
    int rc = 0;

    while (job->state != JOB_DONE && !job->called_off && rc == 0) {
        rc = pthread_cond_timedwait(&job->changed, &crew->lock, deadline);
    }
    if (job->state == JOB_DONE) {
        return CREW_DONE;
    }
    job->waited_for = false;
    if (job->state == JOB_WAITS) {
        crew_withdraw(crew_queue_of(crew, job), job);
        (void)crew_unref(job); /* the crew's */
    }
    return job->called_off ? CREW_CALLED_OFF : job->state == JOB_WAITS ? CREW_BUSY : CREW_LEFT;
}

/* Under lock. Those whom a thread is about to take do not wait. */
static bool has_room_inbound(const struct crew *crew)
{
    return crew->max_waiting_inbound == 0 ||
           crew->inbound.len < crew->max_waiting_inbound + crew_free_for_inbound(crew);
}

enum crew_answer crew_do(struct crew *crew, struct job *job, unsigned wait_ms,
                         long long *ret_began_ms)
{
    struct timespec deadline = clock_deadline(wait_ms);
    enum crew_answer answer = CREW_BUSY;
    bool enters = !job->inbound;

    *ret_began_ms = 0;
    job->refs = 1;
    clock_cond_init(&job->changed);
    pthread_mutex_lock(&crew->lock);
    enters = enters || has_room_inbound(crew);
    if (enters && !crew_find_hands(crew)) {
        answer = CREW_FAILED;
    } else if (enters) {
        job->refs = 2;
        enqueue(crew, job, true);
        answer = await(crew, job, &deadline);
        *ret_began_ms = job->began_ms;
    }
    bool last = answer != CREW_DONE && crew_unref(job);
    pthread_mutex_unlock(&crew->lock);
    if (last) {
        crew_dispose(job);
    }
    return answer;
}

bool crew_start(struct crew *crew, struct job *job)
{
    pthread_mutex_lock(&crew->lock);
    bool free_hands =
        crew->idle > crew->inbound.len + crew->outbound.len || crew->threads < crew->max_threads;
    bool started = free_hands && !crew->closing && crew_find_hands(crew);
    if (started) {
        job->refs = 1;
        clock_cond_init(&job->changed);
        enqueue(crew, job, false);
    }
    pthread_mutex_unlock(&crew->lock);
    return started;
}

/* Under lock. */
static void call_off_all(struct queue *queue)
{
    for (struct job *job = queue->first; job != NULL; job = job->next) {
        job->called_off = job->waited_for;
        if (job->waited_for) {
            pthread_cond_signal(&job->changed);
        }
    }
}

void crew_call_off(struct crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    call_off_all(&crew->outbound);
    call_off_all(&crew->inbound);
    for (unsigned i = 0; i < crew->max_threads; i++) {
        struct job *job = crew->running[i];
        if (job != NULL && job->waited_for) {
            job->called_off = true;
            pthread_cond_signal(&job->changed);
        }
    }
    pthread_mutex_unlock(&crew->lock);
}
