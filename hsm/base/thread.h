/* SPDX-License-Identifier: Apache-2.0
 * Threads of ours. They take no signals: signals are the host's business. */
#ifndef NODEKEY_THREAD_H
#define NODEKEY_THREAD_H

#include <pthread.h>
#include <stdbool.h>

#include "base/auto.h"

/* [any] `ret_thread` NULL: detached; else *ret_thread is owned: pthread_join. `arg` is the new
 * thread's. False: no thread was made. */
MUST_USE bool thread_start(pthread_t *ret_thread, void *(*run)(void *), void *arg);

#endif
