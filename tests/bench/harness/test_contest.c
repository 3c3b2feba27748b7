/* SPDX-License-Identifier: Apache-2.0
 * Turns that favour nobody, and rows that say what was measured and what was not. */
#include "bench/harness/contest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/auto.h"
#include "fixtures/check.h"

#define SIDES 3
#define ROUNDS 36 /* of at least 31, and whole turns of three sides */

/* A side that costs what it says; `log` has who went in which order. */
struct fake {
    double wall_us;
    double cpu_us;
    size_t failed;
    size_t batches; /* it can do; 0: all */
    size_t done;
    char letter;
};

static char turns[SIDES * ROUNDS + 1];
static size_t turns_len;

static bool batch(void *user, struct contest_cost *ret_cost)
{
    struct fake *fake = user;
    turns[turns_len++] = fake->letter;
    fake->done++;
    *ret_cost = (struct contest_cost){ .time = { fake->wall_us, fake->cpu_us },
                                       .done = 10,
                                       .failed = fake->failed };
    return fake->batches == 0 || fake->done <= fake->batches;
}

static double a_over_b(const double *us)
{
    return us[0] / us[1];
}

static double c_over_a(const double *us)
{
    return us[2] / us[0];
}

/* Runs it and reads what it printed. Owned: json_decref. */
static json_t *run(struct fake fakes[SIDES], const struct contest_figure *figures, size_t len)
{
    const struct contest_side sides[SIDES] = {
        { "a", "side a", batch, &fakes[0] },
        { NULL, NULL, batch, &fakes[1] },
        { NULL, NULL, batch, &fakes[2] },
    };
    const struct contest contest = { "contest", "contest", sides, SIDES, figures, len };
    const struct bench_options options = { .rounds = ROUNDS, .json = true };
    FILE *out = tmpfile();
    int stdout_before = dup(STDOUT_FILENO);
    char line[1024];
    json_t *rows = json_array();
    turns_len = 0;
    memset(turns, 0, sizeof(turns));
    fflush(stdout);
    assert_true(dup2(fileno(out), STDOUT_FILENO) >= 0);
    contest_run(&options, &contest);
    assert_true(dup2(stdout_before, STDOUT_FILENO) >= 0);
    close(stdout_before);
    rewind(out);
    while (fgets(line, sizeof(line), out) != NULL) {
        json_t *row = json_loads(line, 0, NULL);
        assert_non_null(row);
        json_array_append_new(rows, row);
    }
    fclose(out);
    return rows;
}

static double number(const json_t *rows, size_t row, const char *member)
{
    json_t *value = json_object_get(json_array_get(rows, row), member);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static const struct stats_bound at_least_two = { .side = STATS_AT_LEAST, .value = 2 };
static const struct contest_figure a_to_b = { "a_over_b",    "a / b",  "ratio", CONTEST_WALL_OR_CPU,
                                              &at_least_two, a_over_b, 0,       1 };

static void everybody_goes_first_equally_often(void **state)
{
    (void)state;
    struct fake fakes[] = { { 20, 20, 0, 0, 0, 'a' },
                            { 10, 10, 0, 0, 0, 'b' },
                            { 10, 10, 0, 0, 0, 'c' } };
    size_t first[SIDES] = { 0 };
    size_t a_before_b = 0;
    json_decref(run(fakes, &a_to_b, 1));
    for (size_t round = 0; round < ROUNDS; round++) {
        const char *turn = &turns[SIDES * round];
        first[turn[0] - 'a']++;
        a_before_b += memchr(turn, 'a', SIDES) < memchr(turn, 'b', SIDES) ? 1 : 0;
        assert_int_equal(turn[0] + turn[1] + turn[2], 'a' + 'b' + 'c');
    }
    for (size_t side = 0; side < SIDES; side++) {
        assert_int_equal(first[side], ROUNDS / SIDES);
    }
    assert_int_equal(a_before_b, ROUNDS / 2);
}

static void figures_and_rates_are_per_operation(void **state)
{
    (void)state;
    struct fake fakes[] = { { 20, 40, 0, 0, 0, 'a' },
                            { 10, 10, 0, 0, 0, 'b' },
                            { 10, 10, 0, 0, 0, 'c' } };
    json_t *rows = run(fakes, &a_to_b, 1);
    assert_int_equal(json_array_size(rows), 2); /* the named side's rate, the figure */
    assert_float_equal(number(rows, 0, "value"), 500000, 1);
    assert_float_equal(number(rows, 0, "cpu_us"), 4, 0.001);
    assert_true(json_is_null(json_object_get(json_array_get(rows, 0), "holds")));
    assert_float_equal(number(rows, 1, "value"), 2, 0.001);
    assert_true(json_is_true(json_object_get(json_array_get(rows, 1), "holds")));
    json_decref(rows);
}

static void failures_are_told(void **state)
{
    (void)state;
    struct fake fakes[] = { { 20, 20, 2, 0, 0, 'a' },
                            { 10, 10, 0, 0, 0, 'b' },
                            { 10, 10, 0, 0, 0, 'c' } };
    json_t *rows = run(fakes, &a_to_b, 1);
    assert_float_equal(number(rows, 1, "failed"), 2 * ROUNDS, 0);
    assert_float_equal(number(rows, 1, "of"), 12 * ROUNDS, 0);
    json_decref(rows);
}

/* One that stops half-way has no figure at all, and holds nothing. */
static void a_side_that_is_gone_has_no_value(void **state)
{
    (void)state;
    static const struct contest_figure figures[] = {
        { "a_over_b", "a / b", "ratio", CONTEST_WALL, &at_least_two, a_over_b, 0, 1 },
        { "c_over_a", "c / a", "ratio", CONTEST_WALL, &at_least_two, c_over_a, 2, 0 },
    };
    struct fake fakes[] = { { 20, 20, 0, 0, 0, 'a' },
                            { 10, 10, 0, 0, 0, 'b' },
                            { 90, 90, 0, 5, 0, 'c' } };
    json_t *rows = run(fakes, figures, ARRAY_LEN(figures));
    assert_int_equal(fakes[2].done, 6); /* not asked again */
    assert_float_equal(number(rows, 1, "value"), 2, 0.001);
    assert_true(json_is_null(json_object_get(json_array_get(rows, 2), "value")));
    assert_true(json_is_false(json_object_get(json_array_get(rows, 2), "holds")));
    json_decref(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_goes_first_equally_often),
        cmocka_unit_test(figures_and_rates_are_per_operation),
        cmocka_unit_test(failures_are_told),
        cmocka_unit_test(a_side_that_is_gone_has_no_value),
    };
    return cmocka_run_group_tests_name("contest", tests, NULL, NULL);
}
