/* SPDX-License-Identifier: Apache-2.0
 * How long things took. */
#ifndef NODEKEY_TESTS_FIGURES_H
#define NODEKEY_TESTS_FIGURES_H

#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#define FIGURES_MAX 100000

struct figures { /* one writer; large, so static */
    size_t len;
    double ms[FIGURES_MAX];
    double longest;
};

static inline double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static inline void rest_ms(double ms)
{
    long whole_s = (long)(ms / 1e3);
    if (ms > 0) {
        nanosleep(&(struct timespec){ .tv_sec = whole_s,
                                      .tv_nsec = (long)((ms - (double)whole_s * 1e3) * 1e6) },
                  NULL);
    }
}

static inline void figures_clear(struct figures *figures)
{
    figures->len = 0;
    figures->longest = 0;
}

static inline void figures_add(struct figures *figures, double ms)
{
    if (figures->len < FIGURES_MAX) {
        figures->ms[figures->len++] = ms;
    }
    figures->longest = ms > figures->longest ? ms : figures->longest;
}

static inline int figures_by_size(const void *a, const void *b)
{
    double one = *(const double *)a;
    double other = *(const double *)b;
    return (one > other) - (one < other);
}

/* Of at least one; puts them in order. */
static inline double figures_percentile(struct figures *figures, unsigned percent)
{
    qsort(figures->ms, figures->len, sizeof(figures->ms[0]), figures_by_size);
    return figures->ms[figures->len * percent / 100];
}

static inline double figures_p99(struct figures *figures)
{
    return figures_percentile(figures, 99);
}

#endif
