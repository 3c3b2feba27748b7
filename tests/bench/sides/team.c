/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/sides/team.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct member {
    struct team *team;
    unsigned seat;
    pthread_t thread;
};

struct team {
    pthread_barrier_t start;
    pthread_barrier_t end;
    /* Written between the barriers only, by the one who gives the work. */
    team_operation operation; /* NULL: go home */
    void *user;
    atomic_long left;
    atomic_size_t failed;
    unsigned threads;
    struct member members[TEAM_MAX];
};

static void *work(void *arg)
{
    const struct member *member = arg;
    struct team *team = member->team;
    for (;;) {
        pthread_barrier_wait(&team->start);
        if (team->operation == NULL) {
            return NULL;
        }
        while (atomic_fetch_sub(&team->left, 1) > 0) {
            if (!team->operation(team->user, member->seat)) {
                atomic_fetch_add(&team->failed, 1);
            }
        }
        pthread_barrier_wait(&team->end);
    }
}

struct team *team_new(unsigned threads)
{
    struct team *team = calloc(1, sizeof(*team));
    if (team == NULL || threads < 1 || threads > TEAM_MAX) {
        abort();
    }
    team->threads = threads;
    pthread_barrier_init(&team->start, NULL, threads + 1);
    pthread_barrier_init(&team->end, NULL, threads + 1);
    for (unsigned seat = 0; seat < threads; seat++) {
        team->members[seat] = (struct member){ .team = team, .seat = seat };
        if (pthread_create(&team->members[seat].thread, NULL, work, &team->members[seat]) != 0) {
            abort();
        }
    }
    return team;
}

struct contest_cost team_run(struct team *team, size_t operations, team_operation operation,
                             void *user)
{
    team->operation = operation;
    team->user = user;
    atomic_store(&team->left, (long)operations);
    atomic_store(&team->failed, 0);
    struct bench_time start = bench_now();
    pthread_barrier_wait(&team->start);
    pthread_barrier_wait(&team->end);
    struct contest_cost cost = { .time = bench_since(start) };
    cost.failed = atomic_load(&team->failed);
    cost.done = operations - cost.failed;
    return cost;
}

void team_free(struct team *team)
{
    if (team == NULL) {
        return;
    }
    team->operation = NULL;
    pthread_barrier_wait(&team->start);
    for (unsigned seat = 0; seat < team->threads; seat++) {
        pthread_join(team->members[seat].thread, NULL);
    }
    pthread_barrier_destroy(&team->start);
    pthread_barrier_destroy(&team->end);
    free(team);
}
