/* SPDX-License-Identifier: Apache-2.0
 * Callers who do not wait: each launched job is on a list until one thread has taken it from there
 * to answer it, the worker that has done it or the one that watches for those which are late. */
#include "base/clock.h"
#include "base/thread.h"
#include "wait/signers_private.h"

/* The thread that takes a job answers it. */
static void take_locked(struct signers *signers, struct job *job)
{
    struct job **link = &signers->pending;

    while (*link != job) {
        link = &(*link)->next_pending;
    }
    *link = job->next_pending;
    job->pending = false;
}

/* The lock is open while the caller is called back. */
static void answer_taken_locked(struct signers *signers, struct job *job,
                                enum signers_answer answer)
{
    pthread_mutex_unlock(&signers->lock);
    job->answer(job, answer);
    pthread_mutex_lock(&signers->lock);
    signers_drop_locked(signers, job);
}

/* Jobs that wait are not to wait for the code of a caller who is called back. */
static void stand_in_locked(struct signers *signers)
{
    bool served =
        signers->inbound.len + signers->outbound.len == 0 || signers_add_thread_locked(signers);
    (void)served; /* else this worker goes on when it comes back */
}

void signers_answer_locked(struct signers *signers, struct job *job)
{
    if (job->pending) {
        take_locked(signers, job);
        signers->answering++;
        stand_in_locked(signers);
        answer_taken_locked(signers, job, SIGNERS_DONE);
        signers->answering--;
    }
}

/* --- the watch --- */

static void answer_late_locked(struct signers *signers, struct job *job)
{
    enum signers_answer answer = job->called_off           ? SIGNERS_CALLED_OFF
                                 : job->state == JOB_WAITS ? SIGNERS_BUSY
                                                           : SIGNERS_LEFT;

    if (job->state == JOB_WAITS) {
        signers_withdraw_locked(signers_queue_of(signers, job), job);
        job->refs--; /* the workers' reference */
    }
    take_locked(signers, job);
    answer_taken_locked(signers, job, answer);
}

/* A job that is late, or NULL and when the next one will be. */
static struct job *find_late_locked(const struct signers *signers, long long *ret_due_ms)
{
    long long now_ms = clock_now_ms();

    for (struct job *job = signers->pending; job != NULL; job = job->next_pending) {
        if (job->called_off || job->due_ms <= now_ms) {
            return job;
        }
        *ret_due_ms = job->due_ms < *ret_due_ms ? job->due_ms : *ret_due_ms;
    }
    return NULL;
}

#define WATCH_MS 60000 /* at most, while nothing is due */

static void *watch_pending(void *arg)
{
    struct signers *signers = arg;

    pthread_mutex_lock(&signers->lock);
    while (!signers->closing || signers->pending != NULL) {
        signers->watch_ms = clock_now_ms() + WATCH_MS;
        struct job *late = find_late_locked(signers, &signers->watch_ms);
        if (late != NULL) {
            answer_late_locked(signers, late);
            continue;
        }
        long long left_ms = signers->watch_ms - clock_now_ms();
        struct timespec deadline = clock_deadline(left_ms > 0 ? (unsigned)left_ms : 0);
        (void)pthread_cond_timedwait(&signers->watch, &signers->lock, &deadline);
    }
    signers->watched = false;
    signers_unref_and_unlock(signers);
    return NULL;
}

static bool start_watch_locked(struct signers *signers)
{
    if (!signers->watched && thread_start(NULL, watch_pending, signers)) {
        signers->watched = true;
        signers->watch_ms = 0; /* it has not looked yet, and will */
        signers->refs++;
    }
    return signers->watched;
}

/* --- callers --- */

static void launch_locked(struct signers *signers, struct job *job, unsigned wait_ms)
{
    job->refs = 3; /* the caller, the workers, whoever answers */
    job->launched = true;
    job->pending = true;
    job->due_ms = clock_now_ms() + wait_ms;
    job->next_pending = signers->pending;
    signers->pending = job;
    signers->refs++;
    signers_enqueue_locked(signers, job);
    if (job->due_ms < signers->watch_ms) {
        pthread_cond_signal(&signers->watch);
    }
}

enum signers_answer signers_launch(struct signers *signers, struct job *job, unsigned wait_ms)
{
    enum signers_answer answer = SIGNERS_BUSY;

    job->refs = 1;
    clock_cond_init(&job->changed);
    pthread_mutex_lock(&signers->lock);
    if (signers_have_room_locked(signers, job)) {
        answer =
            !signers->closing && start_watch_locked(signers) && signers_add_thread_locked(signers)
                ? SIGNERS_LEFT
                : SIGNERS_FAILED;
    }
    if (answer == SIGNERS_LEFT) {
        launch_locked(signers, job, wait_ms);
    } else {
        signers_drop_locked(signers, job);
    }
    pthread_mutex_unlock(&signers->lock);
    return answer;
}

void signers_call_off_pending_locked(struct signers *signers, const void *owner)
{
    for (struct job *job = signers->pending; job != NULL; job = job->next_pending) {
        if (owner == NULL || job->owner == owner) {
            job->called_off = true;
        }
    }
    pthread_cond_signal(&signers->watch);
}

void signers_call_off_of(struct signers *signers, const void *owner)
{
    pthread_mutex_lock(&signers->lock);
    signers_call_off_pending_locked(signers, owner);
    pthread_mutex_unlock(&signers->lock);
}

void job_call_off(struct signers *signers, struct job *job)
{
    pthread_mutex_lock(&signers->lock);
    job->called_off = true;
    pthread_cond_signal(&signers->watch);
    pthread_mutex_unlock(&signers->lock);
}
