/* SPDX-License-Identifier: Apache-2.0
 * A side in a process of its own: one that would change what the others are measured in, or die of
 * it. Its CPU time is its own, too. */
#ifndef NODEKEY_BENCH_OUTPOST_H
#define NODEKEY_BENCH_OUTPOST_H

#include "bench/harness/contest.h"

#define OUTPOST_WHY_MAX_BYTES 200

struct outpost;

struct bounded_call {
    unsigned threads;
    size_t operations;
    int what; /* the side knows */
};

struct outpost_work {
    /* Once, in the process. False: this side cannot, for the reason written. */
    bool (*start)(void *user, char *why, size_t room);
    struct contest_cost (*run)(void *user, const struct bounded_call *bounded);
    void (*stop)(void *user); /* may be NULL: then the process ends without any farewell */
};

/* Forks, so before this process has threads, and waits until the side is ready. `name` is for
 * stderr, where a side that cannot says why. */
struct outpost *outpost_start(const char *name, const struct outpost_work *work, void *user);
/* False: there is nobody (any more). */
bool outpost_send(struct outpost *outpost, const struct bounded_call *bounded,
                  struct contest_cost *ret_cost);
/* NULL is allowed. A process that ended otherwise than by itself is told of on stderr. */
void outpost_stop(struct outpost *outpost);

#endif
