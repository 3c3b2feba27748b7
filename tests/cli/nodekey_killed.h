/* SPDX-License-Identifier: Apache-2.0
 * `nodekey pin --change`, killed at a system call of its own. */
#ifndef NODEKEY_TESTS_NODEKEY_KILLED_H
#define NODEKEY_TESTS_NODEKEY_KILLED_H

#include <stdbool.h>

/* Stops are the entries to and the returns from system calls of the first thread, from 1. */
struct killed_run {
    unsigned stops;  /* in all */
    unsigned next;   /* at the rename to node.pin.next; 0: not reached */
    unsigned set;    /* at the first opening of the log of calls after that: C_SetPIN is over */
    unsigned placed; /* at the rename to node.pin; 0: not reached */
    bool killed;     /* false: the program came to its end, with exit status 0 */
};

/* SIGKILL comes this many stops after the program was loaded, or with `after_next` after the rename
 * to node.pin.next; a little later where it would destroy SoftHSM's own file. 0: not at all. Stdout
 * and stderr go to the file "killed.out". */
struct killed_moment {
    unsigned stops;
    bool after_next;
};

/* The command as nodekey_run takes it, in scratch_folder(), by words that end with NULL. Fails the
 * test when the program ends in any other way. */
struct killed_run nodekey_killed(const char *const argv[], struct killed_moment moment);

#endif
