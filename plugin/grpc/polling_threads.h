/* SPDX-License-Identifier: Apache-2.0
 * Lent threads. gRPC 1.51 runs handshakes, and in them our signatures, on whatever thread of the
 * process polls any completion queue: all wait in one epoll set, and who wakes does the work. So
 * threads that poll a queue of ours, on which nothing ever arrives, share the work of the host's
 * few, and signatures of a slow token are made side by side. */
#ifndef NODEKEY_POLLING_THREADS_H
#define NODEKEY_POLLING_THREADS_H

#include "base/auto.h"
#include "nodekey/plugin.h"

struct polling_threads;

/* Holds a grpc_init of its own until the last of them has ended. Their signals are blocked, and to
 * close they are callbacks: what the host runs on one cannot close the instance, which would wait
 * for it. NK_E_INTERNAL: fewer can be made; then there are none. *ret_polling is owned:
 * polling_threads_dismiss, then polling_threads_join. [any], after grpc_init */
MUST_USE nk_status polling_threads_start(unsigned threads, struct polling_threads **ret_polling,
                                         nk_error *err);
/* Each ends as soon as it is back from what it does. Returns at once. NULL is allowed. */
void polling_threads_dismiss(struct polling_threads *polling);
/* Waits until `deadline_ms` of clock_now_ms for them. The count of those that are not back: they
 * are detached, end when they can, and the last one gives gRPC back. NULL is allowed. Not from one
 * of our callbacks, nor in a forked child, where there are no such threads. */
MUST_USE unsigned polling_threads_join(struct polling_threads *polling, long long deadline_ms);

#endif
