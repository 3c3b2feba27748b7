/* SPDX-License-Identifier: Apache-2.0
 * Callers that bring signing workers their jobs. */
#include "base/clock.h"
#include "wait/signers_private.h"

void job_drop(struct signers *signers, struct job *job)
{
    pthread_mutex_lock(&signers->lock);
    signers->refs++; /* a launched job may be the last that holds them */
    signers_drop_locked(signers, job);
    signers_unref_and_unlock(signers);
}

void signers_enqueue_locked(struct signers *signers, struct job *job)
{
    job->state = JOB_WAITS;
    signers_append_locked(signers_queue_of(signers, job), job);
}

static enum signers_answer await_job_locked(struct signers *signers, struct job *job,
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
        signers_withdraw_locked(signers_queue_of(signers, job), job);
        job->refs--; /* the workers' reference */
    }
    return job->called_off           ? SIGNERS_CALLED_OFF
           : job->state == JOB_WAITS ? SIGNERS_BUSY
                                     : SIGNERS_LEFT;
}

/* A job that a thread is about to take does not wait. */
bool signers_have_room_locked(const struct signers *signers, const struct job *job)
{
    return !job->inbound || signers->max_waiting_inbound == 0 ||
           signers->inbound.len <
               signers->max_waiting_inbound + signers_free_for_inbound_locked(signers);
}

enum signers_answer signers_do(struct signers *signers, struct job *job, unsigned wait_ms,
                               long long *ret_began_ms)
{
    struct timespec deadline = clock_deadline(wait_ms);
    enum signers_answer answer = SIGNERS_BUSY;

    *ret_began_ms = 0;
    job->refs = 1;
    clock_cond_init(&job->changed);
    pthread_mutex_lock(&signers->lock);
    bool enters = signers_have_room_locked(signers, job);
    if (enters && !signers_add_thread_locked(signers)) {
        answer = SIGNERS_FAILED;
    } else if (enters) {
        job->refs = 2;
        job->waited_for = true;
        signers_enqueue_locked(signers, job);
        answer = await_job_locked(signers, job, &deadline);
        *ret_began_ms = job->began_ms;
    }
    pthread_mutex_unlock(&signers->lock);
    if (answer != SIGNERS_DONE) {
        job_drop(signers, job);
    }
    return answer;
}

bool signers_start(struct signers *signers, struct job *job)
{
    pthread_mutex_lock(&signers->lock);
    bool free_worker = signers->calling < signers->max_threads &&
                       (signers->idle > signers->inbound.len + signers->outbound.len ||
                        signers_may_grow_locked(signers));
    bool started = free_worker && !signers->closing && signers_add_thread_locked(signers);
    if (started) {
        job->refs = 1;
        clock_cond_init(&job->changed);
        signers_enqueue_locked(signers, job);
    }
    pthread_mutex_unlock(&signers->lock);
    return started;
}

static void call_off_job_locked(struct job *job)
{
    if (job != NULL && job->waited_for) {
        job->called_off = true;
        pthread_cond_signal(&job->changed);
    }
}

static void call_off_queue_locked(struct queue *queue)
{
    for (struct job *job = queue->first; job != NULL; job = job->next) {
        call_off_job_locked(job);
    }
}

void signers_call_off(struct signers *signers)
{
    pthread_mutex_lock(&signers->lock);
    call_off_queue_locked(&signers->outbound);
    call_off_queue_locked(&signers->inbound);
    for (unsigned i = 0; i < signers->max_threads; i++) {
        call_off_job_locked(signers->running[i]);
    }
    signers_call_off_pending_locked(signers, NULL);
    pthread_mutex_unlock(&signers->lock);
}
