/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/own_threads.h"

#include <unistd.h>

#include "grpc/core.h"

#define THREADS_MIN 4
#define THREADS_MAX 16
#define ELSEWHERE 2 /* one polls, one waits for timers */

unsigned own_threads(void)
{
    long cores = sysconf(_SC_NPROCESSORS_CONF); /* as gRPC counts them */

    if (core_signs_on_pollers()) {
        return 0;
    }
    cores = cores < THREADS_MIN ? THREADS_MIN : cores > THREADS_MAX ? THREADS_MAX : cores;
    return (unsigned)cores - ELSEWHERE;
}
