/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/harness/contest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/harness/bench_print.h"

#define US_PER_S 1e6
#define NAME_MAX_BYTES 96
#define WHAT_MAX_BYTES 160

enum clock { WALL, CPU, CLOCKS };

struct tally {
    size_t rounds;
    double (*us[CLOCKS])[CONTEST_SIDES_MAX]; /* per operation, of each round; NAN: not done */
    size_t done[CONTEST_SIDES_MAX];
    size_t failed[CONTEST_SIDES_MAX];
    bool gone[CONTEST_SIDES_MAX];
    double *samples; /* of the row that is being printed */
};

static void *memory(size_t len, size_t size)
{
    void *made = calloc(len, size);
    if (made == NULL) {
        abort();
    }
    return made;
}

/* On a terminal one line that is written over; else silence. */
static void show_progress(const struct contest *contest, size_t done, size_t rounds)
{
    if (!isatty(STDERR_FILENO)) {
        return;
    }
    if (done < rounds) {
        fprintf(stderr, "\r%s: %zu of %zu rounds ", contest->name, done, rounds);
    } else {
        fprintf(stderr, "\r%78s\r", "");
    }
}

/* --- rounds --- */

/* Everybody goes first equally often, and has both neighbours before him. */
static size_t whose_turn(size_t round, size_t i, size_t sides)
{
    size_t place = (round + i) % sides;
    return round / sides % 2 == 0 ? place : sides - 1 - place;
}

static void take_turn(const struct contest *contest, size_t side, size_t round, struct tally *tally)
{
    struct contest_cost cost = { .done = 0 };
    double *wall = &tally->us[WALL][round][side];
    double *cpu = &tally->us[CPU][round][side];
    *wall = *cpu = NAN;
    if (tally->gone[side]) {
        return;
    }
    tally->gone[side] = !contest->sides[side].batch(contest->sides[side].user, &cost);
    tally->done[side] += cost.done;
    tally->failed[side] += cost.failed;
    if (!tally->gone[side] && cost.done > 0) {
        *wall = cost.time.wall_us / (double)cost.done;
        *cpu = cost.time.cpu_us / (double)cost.done;
    }
}

/* --- rows --- */

/* Over the rounds; false where a round gives no number. */
static bool find_interval(struct tally *tally, enum clock clock, double (*of)(const double *us),
                          struct stats_interval *ret_interval)
{
    for (size_t round = 0; round < tally->rounds; round++) {
        tally->samples[round] = of(tally->us[clock][round]);
        if (!isfinite(tally->samples[round])) {
            return false;
        }
    }
    *ret_interval = stats_bootstrap(tally->samples, tally->rounds);
    return true;
}

static double cpu_us(struct tally *tally, size_t side)
{
    size_t len = 0;
    for (size_t round = 0; round < tally->rounds; round++) {
        double us = tally->us[CPU][round][side];
        if (isfinite(us)) {
            tally->samples[len++] = us;
        }
    }
    return len > 0 ? stats_median(tally->samples, len) : 0;
}

static const struct stats_bound anything = { .side = STATS_AT_MOST, .value = INFINITY };

static void weigh(struct tally *tally, const struct contest_figure *figure, enum clock clock,
                  struct bench_printed *row)
{
    struct stats_interval interval;
    if (!find_interval(tally, clock, figure->of, &interval)) {
        return;
    }
    row->interval = interval;
    row->measure = clock == WALL ? "wall" : "cpu";
    row->finding = stats_find(&interval, figure->bound != NULL ? figure->bound : &anything);
}

static void print_figure(const struct bench_options *options, struct tally *tally,
                         const struct contest_figure *figure)
{
    struct bench_printed row = {
        .name = figure->name,
        .what = figure->what,
        .unit = figure->unit,
        .bound = figure->bound,
        .interval = { .samples = tally->rounds },
        .cpu_us = cpu_us(tally, figure->side),
        .cpu_us_without = figure->beside != figure->side ? cpu_us(tally, figure->beside) : -1,
        .failed = tally->failed[figure->side],
        .of = tally->failed[figure->side] + tally->done[figure->side],
    };
    if (figure->measure != CONTEST_CPU) {
        weigh(tally, figure, WALL, &row);
    }
    if (figure->measure == CONTEST_CPU ||
        (figure->measure == CONTEST_WALL_OR_CPU && row.finding == STATS_NOT_RESOLVED)) {
        weigh(tally, figure, CPU, &row);
    }
    bench_print(options, &row);
}

static void print_rate(const struct bench_options *options, const struct contest *contest,
                       struct tally *tally, size_t side)
{
    char name[NAME_MAX_BYTES];
    char what[WHAT_MAX_BYTES];
    bool whole = true;
    snprintf(name, sizeof(name), "%s_%s", contest->name, contest->sides[side].name);
    snprintf(what, sizeof(what), "%s: %s", contest->what, contest->sides[side].what);
    struct bench_printed row = {
        .name = name,
        .what = what,
        .unit = "per_s",
        .cpu_us = cpu_us(tally, side),
        .cpu_us_without = -1,
        .interval = { .samples = tally->rounds },
        .failed = tally->failed[side],
        .of = tally->failed[side] + tally->done[side],
    };
    for (size_t round = 0; round < tally->rounds; round++) {
        tally->samples[round] = US_PER_S / tally->us[WALL][round][side];
        whole &= isfinite(tally->samples[round]);
    }
    if (whole) {
        row.measure = "wall";
        row.interval = stats_bootstrap(tally->samples, tally->rounds);
        row.finding = stats_find(&row.interval, &anything);
    }
    bench_print(options, &row);
}

static void print_rows(const struct bench_options *options, const struct contest *contest,
                       struct tally *tally)
{
    for (size_t side = 0; side < contest->sides_len; side++) {
        if (contest->sides[side].name != NULL) {
            print_rate(options, contest, tally, side);
        }
    }
    for (size_t i = 0; i < contest->figures_len; i++) {
        print_figure(options, tally, &contest->figures[i]);
    }
}

void contest_run(const struct bench_options *options, const struct contest *contest)
{
    struct tally tally = { .rounds = options->rounds };
    if (contest->sides_len > CONTEST_SIDES_MAX) {
        abort();
    }
    tally.us[WALL] = memory(options->rounds, sizeof(*tally.us[WALL]));
    tally.us[CPU] = memory(options->rounds, sizeof(*tally.us[CPU]));
    tally.samples = memory(options->rounds, sizeof(*tally.samples));
    for (size_t round = 0; round < options->rounds; round++) {
        show_progress(contest, round, options->rounds);
        for (size_t i = 0; i < contest->sides_len; i++) {
            take_turn(contest, whose_turn(round, i, contest->sides_len), round, &tally);
        }
    }
    show_progress(contest, options->rounds, options->rounds);
    print_rows(options, contest, &tally);
    free(tally.us[WALL]);
    free(tally.us[CPU]);
    free(tally.samples);
}
