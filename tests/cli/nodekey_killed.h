/* SPDX-License-Identifier: Apache-2.0
 * `nodekey pin --change`, killed at a system call of its own. */
#ifndef NODEKEY_TESTS_NODEKEY_KILLED_H
#define NODEKEY_TESTS_NODEKEY_KILLED_H

#include <stdbool.h>

/* Stops are the entries to and the returns from system calls of the first thread, from 1. The steps
 * of hsm/pin/pin_place.h begin at these. */
enum killed_step {
    STEP_START,  /* at 0: the program is loaded */
    STEP_NEXT,   /* the rename to node.pin.next */
    STEP_SET,    /* the first opening of $FAULTY_LOG after that: C_SetPIN is over */
    STEP_PLACED, /* the rename to node.pin */
    STEPS
};

struct killed_run {
    unsigned stops;     /* in all */
    unsigned at[STEPS]; /* 0: not reached */
    bool killed;        /* false: the program came to its end, with exit status 0 */
};

/* SIGKILL comes so many stops after the step began; a little later where it would destroy SoftHSM's
 * own file. 0: not at all. */
struct killed_moment {
    enum killed_step step;
    unsigned stops;
};

/* The command in scratch_folder(), by words that end with NULL; its output goes to the file
 * "killed.out" there. Fails the test when the program ends in any other way. */
struct killed_run nodekey_killed(const char *const argv[], struct killed_moment moment);

#endif
