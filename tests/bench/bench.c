/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

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

/* --- rounds --- */

struct samples {
    double *wall; /* the figure of each round by the clock; and by CPU time */
    double *cpu;
    double *cpu_us[BENCH_SIDES]; /* per operation */
};

static double *memory(size_t len)
{
    double *made = calloc(len, sizeof(*made));
    if (made == NULL) {
        abort();
    }
    return made;
}

/* On a terminal one line that is written over; else silence. */
static void show_progress(const struct bench_row *row, size_t done, size_t rounds)
{
    if (!isatty(STDERR_FILENO)) {
        return;
    }
    if (done < rounds) {
        fprintf(stderr, "\r%s: %zu of %zu rounds ", row->name, done, rounds);
    } else {
        fprintf(stderr, "\r%78s\r", "");
    }
}

static void sample(const struct bench_row *row, size_t round, struct samples *samples)
{
    struct bench_time cost[BENCH_SIDES];
    enum bench_side first = round % 2 == 0 ? BENCH_WITHOUT : BENCH_WITH;
    cost[first] = row->batch(row->user, first);
    cost[!first] = row->batch(row->user, !first);
    for (int side = 0; side < BENCH_SIDES; side++) {
        samples->cpu_us[side][round] = cost[side].cpu_us / (double)row->operations;
    }
    if (row->figure == BENCH_ADDED_CPU_US) {
        samples->cpu[round] =
            samples->cpu_us[BENCH_WITH][round] - samples->cpu_us[BENCH_WITHOUT][round];
        return;
    }
    samples->wall[round] = cost[BENCH_WITH].wall_us / cost[BENCH_WITHOUT].wall_us;
    samples->cpu[round] = cost[BENCH_WITH].cpu_us / cost[BENCH_WITHOUT].cpu_us;
}

/* --- the row --- */

struct result {
    struct stats_interval interval;
    enum stats_finding finding;
    const char *measure;
    double cpu_us[BENCH_SIDES];
};

static struct result conclude(const struct bench_row *row, const struct samples *samples,
                              size_t rounds)
{
    struct result result = { .measure = "cpu" };
    for (int side = 0; side < BENCH_SIDES; side++) {
        result.cpu_us[side] = stats_median(samples->cpu_us[side], rounds);
    }
    if (row->figure != BENCH_ADDED_CPU_US) {
        result.measure = "wall";
        result.interval = stats_bootstrap(samples->wall, rounds);
        result.finding = stats_find(&result.interval, &row->bound);
    }
    if (row->figure == BENCH_QUOTIENT ||
        (row->figure == BENCH_RATIO && result.finding != STATS_NOT_RESOLVED)) {
        return result;
    }
    result.measure = "cpu";
    result.interval = stats_bootstrap(samples->cpu, rounds);
    result.finding = stats_find(&result.interval, &row->bound);
    return result;
}

static void print_json(const struct bench_row *row, const struct result *result)
{
    printf("{\"name\": \"%s\", \"value\": %.4f, \"bound\": %.4f, \"holds\": %s, "
           "\"resolved\": %s, \"low\": %.4f, \"high\": %.4f, \"at\": \"%s\", \"unit\": \"%s\", "
           "\"measure\": \"%s\", \"cpu_us\": %.3f, \"cpu_us_without\": %.3f, \"rounds\": %zu}\n",
           row->name, result->interval.median, row->bound.value,
           result->finding == STATS_HOLDS ? "true" : "false",
           result->finding != STATS_NOT_RESOLVED ? "true" : "false", result->interval.low,
           result->interval.high, row->bound.side == STATS_AT_MOST ? "most" : "least",
           row->figure != BENCH_ADDED_CPU_US ? "ratio" : "us", result->measure,
           result->cpu_us[BENCH_WITH], result->cpu_us[BENCH_WITHOUT], result->interval.samples);
}

static void print_table(const struct bench_row *row, const struct result *result)
{
    static const char *const findings[] = { "not resolved", "holds", "NOT held" };
    printf("%-58s %7.3f [%7.3f, %7.3f] %s %.2f%s by %s; CPU us/op %.2f, without %.2f: %s\n",
           row->what, result->interval.median, result->interval.low, result->interval.high,
           row->bound.side == STATS_AT_MOST ? "<=" : ">=", row->bound.value,
           row->figure != BENCH_ADDED_CPU_US ? "" : " us", result->measure,
           result->cpu_us[BENCH_WITH], result->cpu_us[BENCH_WITHOUT], findings[result->finding]);
}

void bench_run(const struct bench_options *options, const struct bench_row *row)
{
    struct samples samples = {
        .wall = memory(options->rounds),
        .cpu = memory(options->rounds),
        .cpu_us = { memory(options->rounds), memory(options->rounds) },
    };
    for (size_t round = 0; round < options->rounds; round++) {
        show_progress(row, round, options->rounds);
        sample(row, round, &samples);
    }
    show_progress(row, options->rounds, options->rounds);
    struct result result = conclude(row, &samples, options->rounds);
    if (options->json) {
        print_json(row, &result);
    } else {
        print_table(row, &result);
    }
    fflush(stdout);
    free(samples.wall);
    free(samples.cpu);
    free(samples.cpu_us[BENCH_WITHOUT]);
    free(samples.cpu_us[BENCH_WITH]);
}
