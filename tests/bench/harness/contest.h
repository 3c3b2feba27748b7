/* SPDX-License-Identifier: Apache-2.0
 * The same work done in several ways, in turns, in one run, and the figures that follow from it. */
#ifndef NODEKEY_BENCH_CONTEST_H
#define NODEKEY_BENCH_CONTEST_H

#include <stdbool.h>
#include <stddef.h>

#include "bench/harness/bench.h"
#include "bench/harness/stats.h"

#define CONTEST_SIDES_MAX 12

#define BENCH_MESSAGE_BYTES 130 /* what TLS 1.3 signs: RFC 8446 section 4.4.3, with SHA-256 */

struct contest_cost {
    struct bench_time time;
    size_t done; /* operations that came to a good end: what the time is shared by */
    size_t failed;
};

struct contest_side {
    const char *name; /* of the JSON object, after the contest's; NULL: no row of its own */
    const char *what; /* in words, for the table */
    /* Does one batch. False: this side cannot, and is not asked again. */
    bool (*batch)(void *user, struct contest_cost *ret_cost);
    void *user;
};

enum contest_measure {
    CONTEST_WALL_OR_CPU, /* by the clock; by CPU time where that does not resolve */
    CONTEST_WALL,        /* what waits costs no CPU: only the clock knows */
    CONTEST_CPU
};

struct contest_figure {
    const char *name;
    const char *what;
    const char *unit; /* "ratio" or "us" */
    enum contest_measure measure;
    const struct stats_bound *bound; /* NULL: shown for comparison */
    /* From the microseconds per operation of every side in one round. */
    double (*of)(const double *us);
    size_t side;   /* whose CPU time per operation is shown, */
    size_t beside; /* and whose beside it */
};

struct contest {
    const char *name;
    const char *what;
    const struct contest_side *sides;
    size_t sides_len;
    const struct contest_figure *figures;
    size_t figures_len;
};

/* Each round asks every side once; who goes first and the direction change. Then prints a row for
 * each named side, operations per second, and one for each figure. */
void contest_run(const struct bench_options *options, const struct contest *contest);

#endif
