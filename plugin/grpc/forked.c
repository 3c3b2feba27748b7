/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/forked.h"

#include <pthread.h>
#include <stdatomic.h>

#include "grpc/core.h"

static atomic_bool at_fork; /* as the parent was just before */
static atomic_bool here;

/* Asked in the parent: in the child gRPC's lock may be held for ever, so a child that forks again
 * does not ask. */
static void look_at_grpc(void)
{
    atomic_store(&at_fork, forked_after_grpc() || core_is_initialized());
}

static void remember_grpc(void)
{
    if (atomic_load(&at_fork)) {
        atomic_store(&here, true);
    }
}

__attribute__((__constructor__)) static void watch(void)
{
    (void)pthread_atfork(look_at_grpc, NULL, remember_grpc);
}

bool forked_after_grpc(void)
{
    return atomic_load(&here);
}
