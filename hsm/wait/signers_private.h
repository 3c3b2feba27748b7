/* SPDX-License-Identifier: Apache-2.0
 * struct signers, for signers.c (their threads), signers_call.c (callers who wait) and
 * signers_launch.c (callers who are called back). */
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
    unsigned calling;   /* jobs that run: max_threads at most */
    unsigned answering; /* workers that call back, and cannot take a job */
    unsigned inbound_running;
    struct queue outbound; /* signatures for our own dialling go first */
    struct queue inbound;
    struct job **running; /* max_threads of them, NULL where none is */
    struct job *pending;  /* launched jobs that are to be answered */
    bool watched;         /* by a thread that answers those which are not done in time */
    long long watch_ms;   /* when it looks again, unless it is told */
    pthread_cond_t watch;
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
/* A thread may be made. */
bool signers_may_grow_locked(const struct signers *signers);
/* Sees to a thread for a job that is not in its queue yet. False: there is none, and none can be
 * made. */
MUST_USE bool signers_add_thread_locked(struct signers *signers);
/* A launched job may enter. */
bool signers_have_room_locked(const struct signers *signers, const struct job *job);
void signers_enqueue_locked(struct signers *signers, struct job *job);
/* Answers a job that is done, if it is to be answered. The lock is open meanwhile. */
void signers_answer_locked(struct signers *signers, struct job *job);
void signers_call_off_pending_locked(struct signers *signers, const void *owner);
/* A reference less; the lock is open meanwhile if it was the last. The caller holds the signers by
 * another one. */
void signers_drop_locked(struct signers *signers, struct job *job);
/* Likewise, with the lock open afterwards. */
void signers_unref_and_unlock(struct signers *signers);

#endif
