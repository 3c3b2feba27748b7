/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/harness/stats.h"

#include "base/auto.h"
#include "fixtures/check.h"

#define SAMPLES 101

/* 1 to SAMPLES in an order that is not theirs; SAMPLES is a prime. */
static void spread(double samples[SAMPLES])
{
    for (size_t i = 0; i < SAMPLES; i++) {
        samples[i] = (double)(1 + (i * 37) % SAMPLES);
    }
}

static void median_of_an_odd_number(void **state)
{
    (void)state;
    const double samples[] = { 9, 1, 5, 7, 3 };
    assert_float_equal(stats_median(samples, ARRAY_LEN(samples)), 5, 0);
    assert_float_equal(samples[0], 9, 0); /* not sorted in place */
}

static void median_of_an_even_number(void **state)
{
    (void)state;
    const double samples[] = { 40, 10, 30, 20 };
    assert_float_equal(stats_median(samples, ARRAY_LEN(samples)), 25, 0);
}

static void one_sample_is_its_own_median(void **state)
{
    (void)state;
    const double sample = -3;
    struct stats_interval interval = stats_bootstrap(&sample, 1);
    assert_float_equal(interval.median, -3, 0);
    assert_float_equal(interval.low, -3, 0);
    assert_float_equal(interval.high, -3, 0);
}

/* The 95% interval of this median lies 0.98 * sqrt(101) ranks to each side of the 51st. An 80% or a
 * 99% interval would end outside these limits. */
static void interval_of_a_known_sample(void **state)
{
    (void)state;
    double samples[SAMPLES];
    spread(samples);
    struct stats_interval interval = stats_bootstrap(samples, SAMPLES);
    assert_int_equal(interval.samples, SAMPLES);
    assert_float_equal(interval.median, 51, 0);
    assert_float_equal(interval.low, 41, 2);
    assert_float_equal(interval.high, 61, 2);
}

static void same_input_same_interval(void **state)
{
    (void)state;
    double samples[SAMPLES];
    spread(samples);
    struct stats_interval first = stats_bootstrap(samples, SAMPLES);
    struct stats_interval again = stats_bootstrap(samples, SAMPLES);
    assert_float_equal(first.low, again.low, 0);
    assert_float_equal(first.high, again.high, 0);
}

static void one_odd_round_moves_nothing(void **state)
{
    (void)state;
    double samples[SAMPLES];
    for (size_t i = 0; i < SAMPLES; i++) {
        samples[i] = i == 50 ? 1000 : 1;
    }
    struct stats_interval interval = stats_bootstrap(samples, SAMPLES);
    assert_float_equal(interval.high, 1, 0);
}

#define MANY STATS_SAMPLES_MIN

static const struct row {
    const char *name;
    struct stats_interval interval;
    struct stats_bound bound;
    enum stats_finding want;
} rows[] = {
    { "a maximum holds below", { 1.10, 1.08, 1.12, MANY }, { STATS_AT_MOST, 1.2, 0 }, STATS_HOLDS },
    { "a maximum holds when the lower end reaches it",
      { 1.22, 1.20, 1.24, MANY },
      { STATS_AT_MOST, 1.2, 0 },
      STATS_HOLDS },
    { "a maximum does not hold above",
      { 1.23, 1.21, 1.25, MANY },
      { STATS_AT_MOST, 1.2, 0 },
      STATS_NOT_HELD },
    { "a minimum holds above",
      { 0.99, 0.98, 1.0, MANY },
      { STATS_AT_LEAST, 0.97, 0 },
      STATS_HOLDS },
    { "a minimum holds when the upper end reaches it",
      { 0.96, 0.95, 0.97, MANY },
      { STATS_AT_LEAST, 0.97, 0 },
      STATS_HOLDS },
    { "a minimum does not hold below",
      { 0.95, 0.94, 0.96, MANY },
      { STATS_AT_LEAST, 0.97, 0 },
      STATS_NOT_HELD },
    { "too wide downwards is not resolved",
      { 1.0, 0.94, 1.0, MANY },
      { STATS_AT_MOST, 1.2, 0 },
      STATS_NOT_RESOLVED },
    { "too wide upwards is not resolved",
      { 1.0, 1.0, 1.06, MANY },
      { STATS_AT_MOST, 1.2, 0 },
      STATS_NOT_RESOLVED },
    { "far beyond the bound, too wide is not resolved either",
      { 9.0, 8.0, 10.0, MANY },
      { STATS_AT_MOST, 1.2, 0 },
      STATS_NOT_RESOLVED },
    { "too few rounds are not resolved",
      { 1.0, 1.0, 1.0, MANY - 1 },
      { STATS_AT_MOST, 1.2, 0 },
      STATS_NOT_RESOLVED },
    { "a difference about nothing has its own reach",
      { -0.1, -0.9, 0.7, MANY },
      { STATS_AT_MOST, 2, 1 },
      STATS_HOLDS },
    { "a difference beyond its reach is not resolved",
      { 0.1, -1.0, 1.0, MANY },
      { STATS_AT_MOST, 2, 1 },
      STATS_NOT_RESOLVED },
    { "a negative median has a reach, too",
      { -100, -101, -99, MANY },
      { STATS_AT_MOST, 2, 0 },
      STATS_HOLDS },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    assert_int_equal(stats_find(&row->interval, &row->bound), row->want);
}

int main(void)
{
    const struct CMUnitTest samples[] = {
        cmocka_unit_test(median_of_an_odd_number),
        cmocka_unit_test(median_of_an_even_number),
        cmocka_unit_test(one_sample_is_its_own_median),
        cmocka_unit_test(interval_of_a_known_sample),
        cmocka_unit_test(same_input_same_interval),
        cmocka_unit_test(one_odd_round_moves_nothing),
    };
    struct CMUnitTest findings[ARRAY_LEN(rows)] = { 0 };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        findings[i].name = rows[i].name;
        findings[i].test_func = check_row;
        findings[i].initial_state = (void *)&rows[i];
    }
    int failed = cmocka_run_group_tests_name("stats_samples", samples, NULL, NULL);
    return failed + cmocka_run_group_tests_name("stats_find", findings, NULL, NULL);
}
