/* SPDX-License-Identifier: Apache-2.0
 * struct signers, for signers.c (their threads) and signers_call.c (callers with jobs). */
#ifndef NODEKEY_SIGNERS_PRIVATE_H
#define NODEKEY_SIGNERS_PRIVATE_H

#include "wait/signers.h"

struct queue {
    struct job *first, **end;
    unsigned len;
};

struct signers {
    unsigned max_threads;
    unsigned max_waiting_inbound;
    struct breaker breaker; /* has a lock of its own */

    pthread_mutex_t lock; /* guards all below, and the jobs */
    pthread_cond_t work;
    pthread_cond_t closed;
    unsigned refs;
    bool closing;
    unsigned threads;
    unsigned idle;
    unsigned inbound_running;
    struct queue outbound; /* signatures for our own dialling go first */
    struct queue inbound;
    struct job **running; /* max_threads of them, NULL where none is */
    struct job *lost; /* by forks before this process: their callers are not here to drop them */
    bool held[2];     /* over a fork: lock, the breaker's */
};

/* All under lock. */
struct queue *signers_queue_of(struct signers *signers, const struct job *job);
void signers_append_locked(struct queue *queue, struct job *job);
void signers_withdraw_locked(struct queue *queue, struct job *job);
/* How many more inbound jobs may run: the last thread, and with it the last session, is kept for
 * our own dialling. */
unsigned signers_free_for_inbound_locked(const struct signers *signers);
/* Sees to a thread for a job that is not in its queue yet. False: there is none, and none can be
 * made. */
MUST_USE bool signers_add_thread_locked(struct signers *signers);
/* The last reference is gone. Without the lock. */
void signers_free_job(struct job *job);

#endif
