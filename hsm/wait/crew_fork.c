/* SPDX-License-Identifier: Apache-2.0
 * A crew over a fork. */
#include "base/clock.h"
#include "base/fork.h"
#include "wait/signers_private.h"

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

static void lose(struct signers *signers, struct job *job)
{
    job->next = signers->lost;
    signers->lost = job;
}

static void lose_all(struct signers *signers, struct queue *queue)
{
    for (struct job *job = signers_dequeue(queue); job != NULL; job = signers_dequeue(queue)) {
        lose(signers, job);
    }
}

void signers_renew(struct signers *signers)
{
    lose_all(signers, &signers->outbound);
    lose_all(signers, &signers->inbound);
    for (unsigned i = 0; i < signers->max_threads; i++) {
        if (signers->running[i] != NULL) {
            lose(signers, signers->running[i]);
        }
        signers->running[i] = NULL;
    }
    signers->refs = 1;
    signers->threads = 0;
    signers->idle = 0;
    signers->inbound_running = 0;
    clock_cond_init(&signers->work);
    clock_cond_init(&signers->closed);
    breaker_renew(&signers->breaker);
}
