/* SPDX-License-Identifier: Apache-2.0
 * Those who bring a crew its jobs. */
#include "base/clock.h"
#include "wait/signers_private.h"

void job_drop(struct signers *signers, struct job *job)
{
    pthread_mutex_lock(&signers->lock);
    bool last = signers_unref(job);
    pthread_mutex_unlock(&signers->lock);
    if (last) {
        signers_dispose(job);
    }
}

/* Under lock. */
static void enqueue(struct signers *signers, struct job *job, bool waited_for)
{
    job->state = JOB_WAITS;
    job->waited_for = waited_for;
    signers_append(signers_queue_of(signers, job), job);
}

/* Under lock. */
static enum signers_answer await(struct signers *signers, struct job *job,
                                 const struct timespec *deadline)
{
    int rc = 0;

    while (job->state != JOB_DONE && !job->called_off && rc == 0) {
        rc = pthread_cond_timedwait(&job->changed, &signers->lock, deadline);
    }
    if (job->state == JOB_DONE) {
        return SIGNERS_DONE;
    }
    job->waited_for = false;
    if (job->state == JOB_WAITS) {
        signers_withdraw(signers_queue_of(signers, job), job);
        (void)signers_unref(job); /* the crew's */
    }
    return job->called_off           ? SIGNERS_CALLED_OFF
           : job->state == JOB_WAITS ? SIGNERS_BUSY
                                     : SIGNERS_LEFT;
}

/* Under lock. Those whom a thread is about to take do not wait. */
static bool has_room_inbound(const struct signers *signers)
{
    return signers->max_waiting_inbound == 0 ||
           signers->inbound.len < signers->max_waiting_inbound + signers_free_for_inbound(signers);
}

enum signers_answer signers_do(struct signers *signers, struct job *job, unsigned wait_ms,
                               long long *ret_began_ms)
{
    struct timespec deadline = clock_deadline(wait_ms);
    enum signers_answer answer = SIGNERS_BUSY;
    bool enters = !job->inbound;

    *ret_began_ms = 0;
    job->refs = 1;
    clock_cond_init(&job->changed);
    pthread_mutex_lock(&signers->lock);
    enters = enters || has_room_inbound(signers);
    if (enters && !signers_add_thread(signers)) {
        answer = SIGNERS_FAILED;
    } else if (enters) {
        job->refs = 2;
        enqueue(signers, job, true);
        answer = await(signers, job, &deadline);
        *ret_began_ms = job->began_ms;
    }
    bool last = answer != SIGNERS_DONE && signers_unref(job);
    pthread_mutex_unlock(&signers->lock);
    if (last) {
        signers_dispose(job);
    }
    return answer;
}

bool signers_start(struct signers *signers, struct job *job)
{
    pthread_mutex_lock(&signers->lock);
    bool free_worker = signers->idle > signers->inbound.len + signers->outbound.len ||
                       signers->threads < signers->max_threads;
    bool started = free_worker && !signers->closing && signers_add_thread(signers);
    if (started) {
        job->refs = 1;
        clock_cond_init(&job->changed);
        enqueue(signers, job, false);
    }
    pthread_mutex_unlock(&signers->lock);
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

void signers_call_off(struct signers *signers)
{
    pthread_mutex_lock(&signers->lock);
    call_off_all(&signers->outbound);
    call_off_all(&signers->inbound);
    for (unsigned i = 0; i < signers->max_threads; i++) {
        struct job *job = signers->running[i];
        if (job != NULL && job->waited_for) {
            job->called_off = true;
            pthread_cond_signal(&job->changed);
        }
    }
    pthread_mutex_unlock(&signers->lock);
}
