/* SPDX-License-Identifier: Apache-2.0
 * Threads that wait, do the same operation until it has been done so often, and wait again. */
#ifndef NODEKEY_BENCH_TEAM_H
#define NODEKEY_BENCH_TEAM_H

#include "bench/harness/contest.h"

#define TEAM_MAX 16

struct team;

/* False: it failed. `seat` counts from 0 and is one thread's own. */
typedef bool (*team_operation)(void *user, unsigned seat);

struct team *team_new(unsigned threads);
/* `operations` times together, whoever is free; what it cost this process. */
struct contest_cost team_run(struct team *team, size_t operations, team_operation operation,
                             void *user);
/* NULL is allowed. */
void team_free(struct team *team);

#endif
