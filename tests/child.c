/* SPDX-License-Identifier: Apache-2.0 */
#include "child.h"

#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_SECONDS 240

static bool is_child;

/* Asked by the leak checker. */
int __lsan_is_turned_off(void); /* NOLINT(bugprone-reserved-identifier) */
int __lsan_is_turned_off(void)  /* NOLINT(bugprone-reserved-identifier) */
{
    return is_child ? 1 : 0;
}

pid_t child_fork(bool with_handlers)
{
    fflush(NULL);
    pid_t child = with_handlers ? fork() : _Fork();
    if (child == 0) {
        is_child = true;
        alarm(CHILD_SECONDS);
    }
    return child;
}

bool child_is_fine(pid_t child)
{
    int status = -1;
    pid_t ended = 0;
    do {
        ended = waitpid(child, &status, 0);
    } while (ended < 0 && errno == EINTR);
    if (child <= 0 || ended != child || status != 0) {
        fprintf(stderr, "a child ended with status 0x%x\n", (unsigned)status);
        return false;
    }
    return true;
}
