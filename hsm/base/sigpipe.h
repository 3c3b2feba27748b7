/* SPDX-License-Identifier: Apache-2.0
 * A token behind a pipe or socket whose other end has died raises SIGPIPE in the thread that calls
 * the module, which by default ends the process. That thread is often the host's, so its mask and
 * the host's disposition must come out as they went in. Three system calls for each use: nothing
 * that costs less tells whether the signal came, and a call that succeeds may have raised it and
 * connected again. All [any]: each thread has a state of its own. */
#ifndef NODEKEY_SIGPIPE_H
#define NODEKEY_SIGPIPE_H

/* On one thread; pairs nest. A SIGPIPE that comes in between is taken away by the last
 * sigpipe_release; one that was pending before stays so. Both keep errno. */
void sigpipe_hold(void);
void sigpipe_release(void);
/* For a thread of ours, which blocks all signals for good (thread.h): on it the two above have
 * nothing to do. */
void sigpipe_blocked_for_good(void);

#endif
