/* SPDX-License-Identifier: Apache-2.0
 * Children by fork() alone, which go on in the test's own code. */
#ifndef NODEKEY_TESTS_CHILD_H
#define NODEKEY_TESTS_CHILD_H

#include <stdbool.h>

#include <sys/types.h>

/* fork() or _Fork(). The child ends by SIGALRM if it hangs, and its leaks are not looked at: what
 * the parent's other threads held is in it, without the threads. */
pid_t child_fork(bool with_handlers);
/* It ended by exit(0). */
bool child_is_fine(pid_t child);

#endif
