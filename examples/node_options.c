/* SPDX-License-Identifier: Apache-2.0 */
#include "node_options.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WEIGHTS_MAX_BYTES (MESSAGE_MAX_BYTES - 4096) /* leaves room for the rest of the message */
#define THREADS_MAX 256
#define SECONDS_MAX 3600

enum { ADDR = 0x100, BEAT, DEADLINE, NO_SERVE, ONCE, READY_FILE, WAIT, WEIGHTS };

static const struct argp_option known[] = {
    { "plugin", 'p', "FILE", 0, "nodekey.so, by absolute path", 0 },
    { "config", 'c', "FILE", 0, "who we are and whom we admit", 0 },
    { "listen", 'l', "HOST:PORT", 0, "where to serve; port 0 is a free one", 0 },
    { "addr", ADDR, "HOST:PORT", 0, "what we claim to be; default: where we listen", 0 },
    { "threads", 't', "N", 0, "polling threads; default 4", 0 },
    { "ready-file", READY_FILE, "FILE", 0, "gets our address once we serve", 0 },
    { "beat", BEAT, "SECONDS", 0, "heartbeat to neighbours; default 2, 0 is none", 0 },
    { "deadline", DEADLINE, "SECONDS", 0, "of each call; default 10", 0 },
    { "greet", 'g', "HOST:PORT", 0, "talk to this node; may be repeated", 1 },
    { "weights", WEIGHTS, "BYTES", 0, "so many to each greeted node; default 1024", 1 },
    { "wait", WAIT, "SECONDS", 0, "dial an unreachable node again for so long; default 0", 1 },
    { "once", ONCE, NULL, 0, "stop after greeting", 1 },
    { "no-serve", NO_SERVE, NULL, 0, "greet only; --addr, or else --listen, says who we are", 1 },
    { 0 },
};

static const char about[] =
    "A node that is server and client at once and speaks P2PFL's protocol, with its key in a "
    "PKCS#11 token. Stops on SIGTERM; on SIGHUP reads configuration, roots, CRLs and certificate "
    "again.\v"
    "Exit status: 0 stopped as asked, or with --once or --no-serve all greeted nodes talked; 1 "
    "something failed; 2 wrong command line; 4 no PIN, a refused or a locked one; 6 wrong "
    "configuration or no plugin. After 2, 4 and 6 do not start it again before somebody has mended "
    "the cause.";

static long read_number(struct argp_state *state, const char *text, long least, long most)
{
    char *end = NULL;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < least || number > most) {
        argp_error(state, "\"%s\" is not a number from %ld to %ld", text, least, most);
    }
    return number;
}

static void add_greeted(struct argp_state *state, struct greeting *greeting, char *addr)
{
    size_t size = (greeting->addrs_len + 1) * sizeof(*greeting->addrs);
    char **longer = realloc(greeting->addrs, size);
    if (longer == NULL) {
        argp_failure(state, 1, ENOMEM, "--greet");
        return;
    }
    greeting->addrs = longer;
    greeting->addrs[greeting->addrs_len++] = addr;
}

static void check(struct argp_state *state, const struct options *options)
{
    bool is_named = options->listen != NULL || (options->no_serve && options->addr != NULL);
    if (options->plugin == NULL || options->config == NULL || !is_named) {
        argp_error(state, "--plugin, --config and --listen are needed; --addr does for --listen "
                          "with --no-serve");
    }
    const char *ours = options->addr != NULL ? options->addr : options->listen;
    if (ours != NULL && strlen(ours) > ADDR_MAX_BYTES - sizeof("65535")) {
        argp_error(state, "our address is too long");
    }
    if (options->no_serve && options->greeting.addrs_len == 0) {
        argp_error(state, "--no-serve without --greet leaves nothing to do");
    }
}

static error_t read_option(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    switch (key) {
    case 'p':
        options->plugin = arg;
        break;
    case 'c':
        options->config = arg;
        break;
    case 'l':
        options->listen = arg;
        break;
    case 't':
        options->threads = (unsigned)read_number(state, arg, 1, THREADS_MAX);
        break;
    case 'g':
        add_greeted(state, &options->greeting, arg);
        break;
    case ADDR:
        options->addr = arg;
        break;
    case BEAT:
        options->beat_seconds = (int)read_number(state, arg, 0, SECONDS_MAX);
        break;
    case DEADLINE:
        options->deadline_seconds = (int)read_number(state, arg, 1, SECONDS_MAX);
        break;
    case NO_SERVE:
        options->no_serve = true;
        break;
    case ONCE:
        options->once = true;
        break;
    case READY_FILE:
        options->ready_file = arg;
        break;
    case WAIT:
        options->greeting.patience_seconds = (int)read_number(state, arg, 0, SECONDS_MAX);
        break;
    case WEIGHTS:
        options->greeting.weights_len = (size_t)read_number(state, arg, 0, WEIGHTS_MAX_BYTES);
        break;
    case ARGP_KEY_END:
        check(state, options);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

void options_parse(int argc, char **argv, struct options *ret_options)
{
    static const struct argp parser = { known, read_option, NULL, about, NULL, NULL, NULL };
    *ret_options = (struct options){ .threads = 4, .deadline_seconds = 10, .beat_seconds = 2 };
    ret_options->greeting.weights_len = 1024;
    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&parser, argc, argv, 0, NULL, ret_options);
}

void options_free(struct options *options)
{
    free(options->greeting.addrs);
}
