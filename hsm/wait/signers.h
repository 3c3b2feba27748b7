/* SPDX-License-Identifier: Apache-2.0
 * Signing workers: the threads that call a token in deadline mode. A caller hands over a job and
 * waits with a deadline, or is called back; a job that hangs inside the module keeps its thread,
 * and its caller goes on. */
#ifndef NODEKEY_SIGNERS_H
#define NODEKEY_SIGNERS_H

#include <pthread.h>
#include <stdbool.h>

#include "base/auto.h"
#include "wait/breaker.h"

struct signers; /* counted: by its owner until signers_close, and by each thread */

enum job_state { JOB_WAITS = 0, JOB_RUNS, JOB_DONE };

enum signers_answer {
    SIGNERS_DONE,
    SIGNERS_LEFT,       /* runs on, without its caller */
    SIGNERS_CALLED_OFF, /* likewise, or never began: see began_ms */
    SIGNERS_BUSY,   /* never began: every thread is taken until the deadline, or too many wait */
    SIGNERS_FAILED, /* never began: no thread can be made */
};

/* The head of what is to be done. Counted by its caller and by the workers. */
struct job {
    void (*run)(struct job *job);  /* on a worker */
    void (*free)(struct job *job); /* by whoever lets go last */
    /* Of a launched job: called once, when it is done or has been left, on a thread of ours, under
     * no lock. A job whose began_ms is 0 never began, and nothing of it will run. */
    void (*answer)(struct job *job, enum signers_answer answer);
    const void *owner; /* whose launched jobs signers_call_off_of calls off */
    bool inbound;      /* for a peer who dialled us: not with the last thread */

    /* Of signers.c, under the workers' lock. */
    unsigned refs;
    enum job_state state;
    bool called_off;
    bool waited_for;
    long long began_ms;
    pthread_cond_t changed;
    struct job *next;
    bool launched;
    bool pending; /* launched, and not answered yet */
    long long due_ms;
    struct job *next_pending;
};

/* At most `max_threads` jobs run at once, on threads that are made when needed; as many threads
 * again stand in for those that call back. `max_waiting_inbound` 0: no bound. NULL: out of memory.
 * Owned: signers_close. [any] */
struct signers *signers_new(unsigned max_threads, unsigned max_waiting_inbound);
/* The threads end as soon as they are idle; those inside a call end after it. NULL is allowed.
 * [any] */
void signers_close(struct signers *signers);
struct breaker *signers_breaker(struct signers *signers);

/* Takes over the caller's reference unless SIGNERS_DONE, when the job is the caller's to read and
 * to job_drop. *ret_began_ms is 0 for a job that never began, and then nothing of it will run.
 * [any] */
MUST_USE enum signers_answer signers_do(struct signers *signers, struct job *job, unsigned wait_ms,
                                        long long *ret_began_ms);
/* For a job that nobody waits for. Takes over the reference when true; false: no thread can be had.
 * [any] */
MUST_USE bool signers_start(struct signers *signers, struct job *job);
/* For a job whose caller is called back, not before it has been for `wait_ms` unless it is done.
 * SIGNERS_LEFT: launched, and the caller's reference stays his: job_drop; its `answer` may be
 * called before this returns. SIGNERS_BUSY, when too many wait, and SIGNERS_FAILED take the
 * reference over. [any] */
MUST_USE enum signers_answer signers_launch(struct signers *signers, struct job *job,
                                            unsigned wait_ms);
void job_drop(struct signers *signers, struct job *job); /* [any] */
/* Every caller that waits or is to be called back gets SIGNERS_CALLED_OFF, soon. [any] */
void signers_call_off(struct signers *signers);
/* Likewise the launched jobs of one owner, and one launched job. Neither waits. [any] */
void signers_call_off_of(struct signers *signers, const void *owner);
void job_call_off(struct signers *signers, struct job *job);
/* False: the workers are closed. [worker] */
MUST_USE bool signers_sleep(struct signers *signers, unsigned ms);

/* Around a fork. False: the locks are not to be had by then; release all the same. [fork] */
MUST_USE bool signers_hold(struct signers *signers, long long deadline_ms);
void signers_release(struct signers *signers);
/* In the child, held: no worker is here and nobody waits; what they did is dropped, and the breaker
 * is closed, since this process has asked nothing yet. [fork] */
void signers_renew(struct signers *signers);

#endif
