/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sigpipe.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

static _Thread_local struct {
    bool for_good;
    unsigned depth;
    bool was_blocked;
    bool was_pending;
    sigset_t before;
} held;

static sigset_t only_sigpipe(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    return set;
}

void sigpipe_blocked_for_good(void)
{
    held.for_good = true;
}

void sigpipe_hold(void)
{
    sigset_t set = only_sigpipe();
    sigset_t pending;

    if (held.for_good || held.depth++ > 0) {
        return;
    }
    pthread_sigmask(SIG_BLOCK, &set, &held.before);
    held.was_blocked = sigismember(&held.before, SIGPIPE) == 1;
    /* A signal that is not blocked does not stay pending. */
    held.was_pending =
        held.was_blocked && sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

/* A signal that another process sent meanwhile was meant for the host. */
static void take_sigpipe(void)
{
    sigset_t set = only_sigpipe();
    const struct timespec at_once = { .tv_sec = 0 };
    siginfo_t info;

    int got = TEMP_FAILURE_RETRY(sigtimedwait(&set, &info, &at_once));
    if (got == SIGPIPE && info.si_code == SI_USER && info.si_pid != getpid()) {
        (void)kill(getpid(), SIGPIPE);
    }
}

void sigpipe_release(void)
{
    if (held.for_good || --held.depth > 0) {
        return;
    }
    int saved = errno;
    if (!held.was_pending) {
        take_sigpipe();
    }
    if (!held.was_blocked) {
        pthread_sigmask(SIG_SETMASK, &held.before, NULL);
    }
    errno = saved;
}
