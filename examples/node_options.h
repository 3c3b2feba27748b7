/* SPDX-License-Identifier: Apache-2.0
 * The command line. */
#ifndef EXAMPLE_NODE_OPTIONS_H
#define EXAMPLE_NODE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "node_greet.h"

/* Exit statuses of the process, beside EXIT_SUCCESS and EXIT_FAILURE: the numbers of LSB, which
 * systemd calls INVALIDARGUMENT, NOPERMISSION and NOTCONFIGURED. */
enum { EXIT_USAGE = 2, EXIT_PIN = 4, EXIT_CONFIG = 6 };

struct options {
    const char *plugin;
    const char *config;
    const char *listen;
    const char *addr; /* NULL: where we listen */
    const char *ready_file;
    unsigned threads;
    int deadline_seconds;
    int beat_seconds; /* 0: none */
    bool no_serve;
    bool once;
    struct greeting greeting;
};

/* Exits with EXIT_USAGE and the reason when the command line is wrong, with 0 after --help.
 * Owned: options_free. */
void options_parse(int argc, char **argv, struct options *ret_options);
void options_free(struct options *options);

#endif
