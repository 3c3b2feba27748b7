/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/harness/stats.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESAMPLES 4000
#define SEED 0x6e6f64656b6579u
#define TAIL 0.025 /* left out at each end */
#define REACH_OF_MEDIAN 0.05

static double *memory(size_t len)
{
    double *made = calloc(len, sizeof(*made));
    if (len == 0 || made == NULL) {
        fprintf(stderr, "stats: no samples, or no memory for them\n");
        abort();
    }
    return made;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

static double sort_and_take_median(double *samples, size_t len)
{
    qsort(samples, len, sizeof(*samples), compare);
    return len % 2 == 1 ? samples[len / 2] : (samples[len / 2 - 1] + samples[len / 2]) / 2;
}

double stats_median(const double *samples, size_t len)
{
    double *sorted = memory(len);
    memcpy(sorted, samples, len * sizeof(*sorted));
    double median = sort_and_take_median(sorted, len);
    free(sorted);
    return median;
}

/* splitmix64: needs no state but its seed, and is the same on every machine. */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

struct stats_interval stats_bootstrap(const double *samples, size_t len)
{
    double *medians = memory(RESAMPLES);
    double *resample = memory(len);
    uint64_t state = SEED;
    for (size_t i = 0; i < RESAMPLES; i++) {
        for (size_t j = 0; j < len; j++) {
            resample[j] = samples[draw(&state) % len];
        }
        medians[i] = sort_and_take_median(resample, len);
    }
    qsort(medians, RESAMPLES, sizeof(*medians), compare);
    size_t left_out = (size_t)(TAIL * RESAMPLES);
    struct stats_interval interval = {
        .median = stats_median(samples, len),
        .low = medians[left_out],
        .high = medians[RESAMPLES - 1 - left_out],
        .samples = len,
    };
    free(resample);
    free(medians);
    return interval;
}

enum stats_finding stats_find(const struct stats_interval *interval,
                              const struct stats_bound *bound)
{
    double median = interval->median;
    double reach =
        bound->reach > 0 ? bound->reach : REACH_OF_MEDIAN * (median < 0 ? -median : median);

    if (interval->samples < STATS_SAMPLES_MIN || median - interval->low > reach ||
        interval->high - median > reach) {
        return STATS_NOT_RESOLVED;
    }
    if (bound->side == STATS_AT_MOST) {
        return interval->low <= bound->value ? STATS_HOLDS : STATS_NOT_HELD;
    }
    return interval->high >= bound->value ? STATS_HOLDS : STATS_NOT_HELD;
}
