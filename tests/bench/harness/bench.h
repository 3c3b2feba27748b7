/* SPDX-License-Identifier: Apache-2.0
 * One row of the table of costs: the same work without and with what is measured, in turns, in one
 * run. */
#ifndef NODEKEY_BENCH_BENCH_H
#define NODEKEY_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>

#include "bench/harness/stats.h"

struct bench_options {
    size_t rounds;
    bool json;
};

/* --help, --rounds N, --json. Ends the process with 0 after --help, with 2 on anything else.
 * `about` is what --help says; `rounds` is the default. */
struct bench_options bench_parse(int argc, char **argv, const char *about, size_t rounds);

struct bench_time {
    double wall_us;
    double cpu_us; /* user and system, all threads */
};
/* Of this process; only differences mean something. */
struct bench_time bench_now(void);
struct bench_time bench_since(struct bench_time start);

enum bench_side { BENCH_WITHOUT, BENCH_WITH, BENCH_SIDES };

enum bench_figure {
    BENCH_RATIO,        /* WITH / WITHOUT by the clock; by CPU time where that does not resolve */
    BENCH_ADDED_CPU_US, /* WITH - WITHOUT per operation, CPU time alone */
    BENCH_QUOTIENT      /* WITH / WITHOUT of what the batch puts into wall_us: a rate, a percentile;
                           CPU time says nothing about it */
};

struct bench_row {
    const char *name; /* of the JSON object */
    const char *what; /* in words, for the table: no quotation mark, no bar */
    enum bench_figure figure;
    struct stats_bound bound;
    size_t operations; /* in one batch */
    /* Does one batch and returns what it cost. A batch that cannot be done aborts. */
    struct bench_time (*batch)(void *user, enum bench_side side);
    void *user;
};

/* Runs the rounds, with the side that goes first alternating, and prints the row: a line of a
 * table, or one JSON object on one line. */
void bench_run(const struct bench_options *options, const struct bench_row *row);

#endif
