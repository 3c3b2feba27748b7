/* SPDX-License-Identifier: Apache-2.0
 * A crew over a fork. */
#include "base/clock.h"
#include "base/fork.h"
#include "wait/signers_private.h"

bool crew_hold(struct crew *crew, long long deadline_ms)
{
    crew->held[0] = fork_lock_by(&crew->lock, deadline_ms);
    crew->held[1] = fork_lock_by(&crew->breaker.lock, deadline_ms);
    return crew->held[0] && crew->held[1];
}

void crew_release(struct crew *crew)
{
    if (crew->held[1]) {
        pthread_mutex_unlock(&crew->breaker.lock);
    }
    if (crew->held[0]) {
        pthread_mutex_unlock(&crew->lock);
    }
}

static void lose(struct crew *crew, struct job *job)
{
    job->next = crew->lost;
    crew->lost = job;
}

static void lose_all(struct crew *crew, struct queue *queue)
{
    for (struct job *job = crew_shift(queue); job != NULL; job = crew_shift(queue)) {
        lose(crew, job);
    }
}

void crew_renew(struct crew *crew)
{
    lose_all(crew, &crew->outbound);
    lose_all(crew, &crew->inbound);
    for (unsigned i = 0; i < crew->max_threads; i++) {
        if (crew->running[i] != NULL) {
            lose(crew, crew->running[i]);
        }
        crew->running[i] = NULL;
    }
    crew->refs = 1;
    crew->threads = 0;
    crew->idle = 0;
    crew->inbound_running = 0;
    clock_cond_init(&crew->work);
    clock_cond_init(&crew->closed);
    breaker_renew(&crew->breaker);
}
