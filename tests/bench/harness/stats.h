/* SPDX-License-Identifier: Apache-2.0
 * What a benchmark may claim: a median, the interval that it is known to, and whether that holds
 * against a bound. */
#ifndef NODEKEY_BENCH_STATS_H
#define NODEKEY_BENCH_STATS_H

#include <stddef.h>

#define STATS_SAMPLES_MIN 31 /* fewer resolve nothing, however close they lie */

struct stats_interval {
    double median;
    double low; /* 95%, by bootstrap: resampled with a fixed seed, so one input has one answer */
    double high;
    size_t samples;
};

enum stats_side { STATS_AT_MOST, STATS_AT_LEAST };

struct stats_bound {
    enum stats_side side;
    double value;
    /* The interval resolves when it reaches no further than this from the median; 0: 5% of it.
     * Differences need their own: they may be about nothing. */
    double reach;
};

enum stats_finding { STATS_NOT_RESOLVED, STATS_HOLDS, STATS_NOT_HELD };

/* Of at least one sample; leaves them in their order. */
double stats_median(const double *samples, size_t len);
struct stats_interval stats_bootstrap(const double *samples, size_t len);
/* Holds when the interval reaches the bound: lower end for a maximum, upper for a minimum. */
enum stats_finding stats_find(const struct stats_interval *interval,
                              const struct stats_bound *bound);

#endif
