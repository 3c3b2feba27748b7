/* SPDX-License-Identifier: Apache-2.0
 * A row as it is printed: a line of a table, or one JSON object on one line. */
#ifndef NODEKEY_BENCH_BENCH_PRINT_H
#define NODEKEY_BENCH_BENCH_PRINT_H

#include "bench/harness/bench.h"

struct bench_printed {
    const char *name;
    const char *what;
    const char *unit;
    const char *measure; /* "wall" or "cpu"; NULL: there is no value */
    struct stats_interval interval;
    const struct stats_bound *bound; /* NULL: none */
    enum stats_finding finding;      /* without a bound: resolved or not */
    double cpu_us;                   /* per operation */
    double cpu_us_without;           /* negative: beside nothing */
    size_t failed;                   /* operations of `of` */
    size_t of;
};

void bench_print(const struct bench_options *options, const struct bench_printed *row);

#endif
