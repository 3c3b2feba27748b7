/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/harness/bench_print.h"

#include <stdio.h>
#include <string.h>

static const char *holds(const struct bench_printed *row)
{
    if (row->bound == NULL) {
        return "null";
    }
    return row->finding == STATS_HOLDS ? "true" : "false";
}

static void print_json(const struct bench_printed *row)
{
    printf("{\"name\": \"%s\", \"what\": \"%s\", ", row->name, row->what);
    if (row->measure != NULL) {
        printf("\"value\": %.4f, \"low\": %.4f, \"high\": %.4f, ", row->interval.median,
               row->interval.low, row->interval.high);
    } else {
        printf("\"value\": null, \"low\": null, \"high\": null, ");
    }
    if (row->bound != NULL) {
        printf("\"bound\": %.4f, \"at\": \"%s\", ", row->bound->value,
               row->bound->side == STATS_AT_MOST ? "most" : "least");
    } else {
        printf("\"bound\": null, \"at\": null, ");
    }
    printf("\"holds\": %s, \"resolved\": %s, \"unit\": \"%s\", ", holds(row),
           row->measure != NULL && row->finding != STATS_NOT_RESOLVED ? "true" : "false",
           row->unit);
    printf("\"measure\": \"%s\", \"cpu_us\": %.3f, ", row->measure != NULL ? row->measure : "none",
           row->cpu_us);
    if (row->cpu_us_without >= 0) {
        printf("\"cpu_us_without\": %.3f, ", row->cpu_us_without);
    }
    printf("\"failed\": %zu, \"of\": %zu, \"rounds\": %zu}\n", row->failed, row->of,
           row->interval.samples);
}

static const char *finding(const struct bench_printed *row)
{
    static const char *const findings[] = { "not resolved", "holds", "NOT held" };
    if (row->bound == NULL && row->finding != STATS_NOT_RESOLVED) {
        return "-";
    }
    return findings[row->finding];
}

static void print_value(const struct bench_printed *row)
{
    int decimals = strcmp(row->unit, "ratio") == 0 ? 3 : 1;
    if (row->measure == NULL) {
        printf("%-66s %8s", row->what, "cannot");
        return;
    }
    printf("%-66s %8.*f [%.*f, %.*f]", row->what, decimals, row->interval.median, decimals,
           row->interval.low, decimals, row->interval.high);
    if (strcmp(row->unit, "ratio") != 0) {
        printf(" %s", row->unit);
    }
}

static void print_table(const struct bench_printed *row)
{
    print_value(row);
    if (row->bound != NULL) {
        printf(" %s %.2f", row->bound->side == STATS_AT_MOST ? "<=" : ">=", row->bound->value);
    }
    if (row->measure != NULL) {
        printf(" by %s; CPU us/op %.2f", row->measure, row->cpu_us);
    }
    if (row->measure != NULL && row->cpu_us_without >= 0) {
        printf(", without %.2f", row->cpu_us_without);
    }
    if (row->failed > 0) {
        printf("; %zu of %zu FAILED", row->failed, row->of);
    }
    if (row->measure != NULL) {
        printf(": %s", finding(row));
    }
    putchar('\n');
}

void bench_print(const struct bench_options *options, const struct bench_printed *row)
{
    if (options->json) {
        print_json(row);
    } else {
        print_table(row);
    }
    fflush(stdout);
}
