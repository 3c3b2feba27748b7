/* SPDX-License-Identifier: Apache-2.0
 * struct crew, for crew.c (its threads), signers_call.c (who brings them jobs) and signers_fork.c.
 */
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
    struct queue outbound; /* our own dialling goes first */
    struct queue inbound;
    struct job **running; /* max_threads of them, NULL where none is */
    struct job *lost;     /* by forks before this process: their callers are not here to let go */
    bool held[2];         /* over a fork: lock, the breaker's */
};

/* All under lock. */
struct queue *signers_queue_of(struct signers *signers, const struct job *job);
void signers_append(struct queue *queue, struct job *job);
/* The first, or NULL. */
struct job *signers_dequeue(struct queue *queue);
void signers_withdraw(struct queue *queue, struct job *job);
/* How many more jobs of strangers may run: the last thread, and with it the last session, is kept
 * for our own dialling. */
unsigned signers_free_for_inbound(const struct signers *signers);
/* Before the job is in its queue. False: there is no thread and none can be made. */
MUST_USE bool signers_add_thread(struct signers *signers);
/* True when the job is nobody's any more: signers_dispose it, without the lock. */
bool signers_unref(struct job *job);
void signers_dispose(struct job *job);

#endif
