/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/harness/bench.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "bench/harness/contest.h"

#define ROUNDS_MAX 100000
#define US_PER_S 1e6
#define NS_PER_US 1e3

/* --- options --- */

static void usage(FILE *to, const char *program, const char *about, size_t rounds)
{
    fprintf(to,
            "usage: %s [--rounds N] [--json]\n\n%s\n"
            "  --rounds N   interleaved rounds (%zu; fewer than %d resolve nothing)\n"
            "  --json       one JSON object a line instead of a table\n"
            "  --help       this text\n\n"
            "Exit status: 0 if it ran, whatever the figures say; 2 on wrong usage.\n",
            program, about, rounds, STATS_SAMPLES_MIN);
}

struct bench_options bench_parse(int argc, char **argv, const char *about, size_t rounds)
{
    static const struct option known[] = {
        { "rounds", required_argument, NULL, 'r' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    struct bench_options options = { .rounds = rounds };
    char *end = "";
    int option = 0;

    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == 'h') {
            usage(stdout, argv[0], about, rounds);
            exit(0);
        }
        if (option == 'j') {
            options.json = true;
        }
        if (option == 'r') {
            options.rounds = strtoul(optarg, &end, 10);
        }
        if (option == '?' || *end != '\0' || options.rounds < 1 || options.rounds > ROUNDS_MAX) {
            usage(stderr, argv[0], about, rounds);
            exit(2);
        }
    }
    if (optind != argc) {
        usage(stderr, argv[0], about, rounds);
        exit(2);
    }
    return options;
}

/* --- time --- */

static double timeval_us(struct timeval time)
{
    return (double)time.tv_sec * US_PER_S + (double)time.tv_usec;
}

struct bench_time bench_now(void)
{
    struct timespec wall;
    struct rusage used;
    clock_gettime(CLOCK_MONOTONIC, &wall);
    getrusage(RUSAGE_SELF, &used);
    return (struct bench_time){
        .wall_us = (double)wall.tv_sec * US_PER_S + (double)wall.tv_nsec / NS_PER_US,
        .cpu_us = timeval_us(used.ru_utime) + timeval_us(used.ru_stime),
    };
}

struct bench_time bench_since(struct bench_time start)
{
    struct bench_time now = bench_now();
    return (struct bench_time){ now.wall_us - start.wall_us, now.cpu_us - start.cpu_us };
}

/* --- a row of two sides --- */

struct part {
    const struct bench_row *row;
    enum bench_side side;
};

static bool do_part(void *user, struct contest_cost *ret_cost)
{
    const struct part *part = user;
    ret_cost->time = part->row->batch(part->row->user, part->side);
    ret_cost->done = part->row->operations;
    return true;
}

static double with_over_without(const double *us)
{
    return us[BENCH_WITH] / us[BENCH_WITHOUT];
}

static double with_minus_without(const double *us)
{
    return us[BENCH_WITH] - us[BENCH_WITHOUT];
}

void bench_run(const struct bench_options *options, const struct bench_row *row)
{
    struct part parts[] = { { row, BENCH_WITHOUT }, { row, BENCH_WITH } };
    const struct contest_side sides[] = {
        [BENCH_WITHOUT] = { .batch = do_part, .user = &parts[BENCH_WITHOUT] },
        [BENCH_WITH] = { .batch = do_part, .user = &parts[BENCH_WITH] },
    };
    static const enum contest_measure measures[] = { [BENCH_RATIO] = CONTEST_WALL_OR_CPU,
                                                     [BENCH_ADDED_CPU_US] = CONTEST_CPU,
                                                     [BENCH_QUOTIENT] = CONTEST_WALL };
    bool ratio = row->figure != BENCH_ADDED_CPU_US;
    const struct contest_figure figure = {
        .name = row->name,
        .what = row->what,
        .unit = ratio ? "ratio" : "us",
        .measure = measures[row->figure],
        .bound = &row->bound,
        .of = ratio ? with_over_without : with_minus_without,
        .side = BENCH_WITH,
        .beside = BENCH_WITHOUT,
    };
    const struct contest contest = { row->name, row->what, sides, BENCH_SIDES, &figure, 1 };
    contest_run(options, &contest);
}
