/* SPDX-License-Identifier: Apache-2.0
 * Forks. Before every fork() nobody is inside a module any more and our locks are ours, so that a
 * child begins with all of it whole: it calls C_Initialize itself (PKCS#11 3.0, 5.4), opens
 * sessions of its own, logs in by itself, and its parent's keys sign in it. Where that much rest is
 * not to be had, the child is foreign: it uses nothing of ours. */
#ifndef NODEKEY_FORK_H
#define NODEKEY_FORK_H

#include <pthread.h>
#include <stdbool.h>

#include "base/auto.h"

/* How long fork() waits at most for calls inside a module; once for those that hang. */
#define FORK_WAIT_MS 3000

/* A part of us that lives through forks. All hooks are optional, none may log, and all run on the
 * thread that forks, in this order; a hook that fails makes the child foreign. The order of
 * parts is the linker's: none may rely on another's having run. */
struct fork_part {
    bool (*rest)(long long deadline_ms); /* of all parts: nobody is inside, nor enters */
    pthread_mutex_t *lock;               /* of all parts: taken; a leaf, held for moments only */
    bool (*hold)(long long deadline_ms); /* under `lock` */
    void (*wipe)(void);                  /* in every child that fork() made; under no lock */
    void (*renew)(void);                 /* in the child; under `lock` */
    void (*release)(void);               /* in both processes; under `lock` */

    bool locked; /* of fork.c */
    struct fork_part *next;
};

/* [one] While objects are loaded. `part` is borrowed for the life of the process. */
void fork_join(struct fork_part *part);
/* Once in a file: its part, from the moment that it is loaded. */
#define FORK_PART(...)                                                                             \
    static struct fork_part fork_part = { __VA_ARGS__ };                                           \
    __attribute__((__constructor__)) static void join_forks(void)                                  \
    {                                                                                              \
        fork_join(&fork_part);                                                                     \
    }                                                                                              \
    struct fork_part_needs_semicolon

/* Takes a lock by then, or not: a lock that is held over a call which hangs must not hold up
 * fork(). [any] True: the caller unlocks it. */
MUST_USE bool fork_lock_by(pthread_mutex_t *lock, long long deadline_ms);

/* Around a use behind the exit gate and around every other call into a module; pairs nest. A module
 * may fork there (p11-kit runs commands), and must not wait for itself. [any] */
void fork_enter_call(void);
void fork_leave_call(void);

/* Grows by one in each child: what was made under another count is a parent's. [any] */
unsigned fork_count(void);
/* True in a child that may use nothing of ours: its parent, or one before, forked while a call hung
 * inside a module or from within one of our own calls, or without fork() (clone). [any] */
bool fork_is_foreign(void);
#define FORK_FOREIGN_TEXT                                                                          \
    "forked: this process began while its parent was inside a token or in a callback of ours, so " \
    "nothing can be told of the token here; fork at another time, or exec a program of its own"

#endif
