/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"

#include <signal.h>

bool thread_start(pthread_t *ret_thread, void *(*run)(void *), void *arg)
{
    pthread_t thread;
    pthread_attr_t attr;
    sigset_t all;
    sigset_t before;

    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, ret_thread == NULL ? PTHREAD_CREATE_DETACHED
                                                          : PTHREAD_CREATE_JOINABLE);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&thread, &attr, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (rc == 0 && ret_thread != NULL) {
        *ret_thread = thread;
    }
    return rc == 0;
}
