/* SPDX-License-Identifier: Apache-2.0
 * struct crew, for crew.c (its threads), crew_call.c (who brings them jobs) and crew_fork.c. */
#ifndef NODEKEY_CREW_PRIVATE_H
#define NODEKEY_CREW_PRIVATE_H

#include "wait/signers.h"

struct queue {
    struct job *first, **end;
    unsigned len;
};

struct crew {
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
    struct queue outbound; /* our own dialling goes first */
    struct queue inbound;
    struct job **running; /* max_threads of them, NULL where none is */
    struct job *lost;     /* by forks before this process: their callers are not here to let go */
    bool held[2];         /* over a fork: lock, the breaker's */
};

/* All under lock. */
struct queue *crew_queue_of(struct crew *crew, const struct job *job);
void crew_append(struct queue *queue, struct job *job);
/* The first, or NULL. */
struct job *crew_shift(struct queue *queue);
void crew_withdraw(struct queue *queue, struct job *job);
/* How many more jobs of strangers may run: the last thread, and with it the last session, is kept
 * for our own dialling. */
unsigned crew_free_for_inbound(const struct crew *crew);
/* Before the job is in its queue. False: there is no thread and none can be made. */
MUST_USE bool crew_find_hands(struct crew *crew);
/* True when the job is nobody's any more: crew_dispose it, without the lock. */
bool crew_unref(struct job *job);
void crew_dispose(struct job *job);

#endif
