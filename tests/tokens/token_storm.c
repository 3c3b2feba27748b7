/* SPDX-License-Identifier: Apache-2.0
 * token_storm [OPTION…] CONFIG [BREAK CURE]
 * One node, opened once, talks to itself in both roles under the load of storm.h, while its token
 * is broken and cured again and again: by BREAK and CURE, two programs without arguments. (What
 * they leave running must not keep their stdout and stderr.) Each break must be felt, the
 * connection that stands must feel none, and after the last cure every handshake must succeed.
 *
 *   --times N       breaks; default 3 if there is a BREAK
 *   --diallers N    threads that dial; default 8
 *   --handshakes N  that must succeed at the end; default 500
 *   --logins N      that a break may cost, each one PIN; default 1
 *   --felt N        handshakes that each break must cost at least; default as many as diallers;
 *                   0: it must cost none
 *   --expect TEXT   each break must make the node log this
 *   --absent TEXT   the first open must fail with this; then CURE is run
 *   --refused TEXT  the open must fail with this, and that is all
 *
 * With the faulty token between node and token ($FAULTY_MODULE) it counts PINs, too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <grpc/grpc.h>

#include "base/auto.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/federation.h"
#include "fixtures/process.h"
#include "fixtures/wire/rpc.h"
#include "tokens/storm.h"

#define SERVER_THREADS 8
#define FELT_MS 60000
#define HEALED_MS 60000
#define LINE_MAX_BYTES 400
#define UNSET ((unsigned long)-1)

struct options {
    unsigned long times;
    unsigned long diallers;
    unsigned long handshakes;
    unsigned long logins;
    unsigned long felt; /* UNSET: as many as diallers */
    const char *expect;
    const char *absent;
    const char *refused;
    const char *config;
    const char *break_it;
    const char *cure_it;
};

static struct options options = {
    .times = 3, .diallers = 8, .handshakes = 500, .logins = 1, .felt = UNSET
};

static bool fails(const char *what, const char *why)
{
    printf("FAILED: %s%s%s\n", what, why[0] != '\0' ? ": " : "", why);
    return false;
}

static bool run(const char *program)
{
    const char *const argv[] = { program, NULL };
    const struct process process = { .argv = argv, .with_stderr = true };
    struct process_end end = process_run(&process);
    bool ok = end.status == 0 || fails(program, end.out);
    free(end.out);
    return ok;
}

/* --- opening --- */

static bool opens(struct node *node, nk_error *err)
{
    const nk_plugin *plugin = plugin_load();

    *err = (nk_error){ .struct_size = sizeof(*err) };
    return plugin->open_file(&node->host, options.config, &node->instance, err) == NK_OK &&
           plugin->server_credentials(node->instance, &node->server, err) == NK_OK &&
           plugin->channel_credentials(node->instance, &node->channel, err) == NK_OK;
}

static bool is_refused(struct node *node, const char *text)
{
    nk_error err;
    if (opens(node, &err)) {
        return fails("the node opens, which must be refused", text);
    }
    printf("open: %s\n", err.text);
    return strstr(err.text, text) != NULL || fails("the open is not refused like this", text);
}

static bool open_node(struct node *node)
{
    nk_error err;
    if (options.absent != NULL && !(is_refused(node, options.absent) && run(options.cure_it))) {
        return false;
    }
    return opens(node, &err) || fails("open", err.text);
}

/* --- one break --- */

/* The first line that the node has logged as an error since the break. */
static void first_error(struct recorder *log, char *ret_line)
{
    char *text = recorder_copy(log);
    const char *line = strncmp(text, "error: ", 7) == 0 ? text : strstr(text, "\nerror: ");
    const char *from = line == NULL ? "nothing was logged" : strstr(line, "error: ") + 7;
    snprintf(ret_line, LINE_MAX_BYTES, "%.*s", (int)strcspn(from, "\n"), from);
    free(text);
}

/* Until it is felt, and the node has said so. */
static bool break_it(struct storm *storm, struct recorder *log, char *ret_line)
{
    recorder_clear(log);
    storm_expect_failures(storm);
    if (!run(options.break_it)) {
        return false;
    }
    bool felt = storm_is_felt(storm, options.felt, 10, FELT_MS);
    bool said = options.expect == NULL || recorder_waits_for(log, options.expect, FELT_MS);
    first_error(log, ret_line);
    if (!felt) {
        return fails("the break was not felt", ret_line);
    }
    return said || fails("the node does not log what it must, but", ret_line);
}

static bool break_once(struct storm *storm, struct recorder *log, unsigned long number)
{
    char line[LINE_MAX_BYTES];
    double healed_ms = 0;
    struct storm_tally before = storm_tally(storm);
    if (!break_it(storm, log, line) || !run(options.cure_it)) {
        return false;
    }
    if (!storm_heals(storm, HEALED_MS, &healed_ms) ||
        !storm_goes_on(storm, 2 * options.diallers, HEALED_MS)) {
        return fails("no handshake succeeds after the cure", line);
    }
    struct storm_tally after = storm_tally(storm);
    if (options.felt == 0 && after.failed != before.failed) {
        return fails("a handshake fails, which must not be", line);
    }
    printf("break %lu: %lu of %lu handshakes failed (%s), %lu of %lu calls on the connection that "
           "stands; %.0f ms from the cure to the first handshake\n",
           number, after.failed - before.failed, after.dialled - before.dialled, line,
           after.calls_failed - before.calls_failed, after.called - before.called, healed_ms);
    fflush(stdout);
    return true;
}

/* --- all --- */

/* One login at the open; a break may end it. */
static bool pins_are_counted(void)
{
    if (getenv("FAULTY_MODULE") == NULL) {
        return true;
    }
    const struct faulty_counters *count = faulty_count();
    printf("C_Initialize %lu, C_Login %lu, of these failed %lu\n", count->initialize, count->login,
           count->login_failed);
    return (count->login <= 1 + options.logins * options.times && count->session_shared == 0 &&
            count->finalize_inside == 0) ||
           fails("a PIN too many, or a session in two threads", "");
}

static bool all_is_well(struct storm *storm)
{
    unsigned long good = storm_count_successes(storm, options.handshakes);
    struct storm_tally tally = storm_tally(storm);
    printf("%lu of %lu handshakes succeed; in all %lu handshakes, %lu failed, of these %lu while "
           "the token was there; %lu calls on the connection that stands, %lu failed, the longest "
           "%.0f ms\n",
           good, options.handshakes, tally.dialled, tally.failed, tally.blamed, tally.called,
           tally.calls_failed, tally.longest_call_ms);
    storm_print_blame(storm);
    return (good == options.handshakes && tally.blamed == 0 && tally.calls_failed == 0) ||
           fails("not all is well again", "");
}

static bool weather(struct node *node)
{
    struct rpc_server *server = rpc_server_start(node->server, SERVER_THREADS, NULL, NULL);
    struct storm *storm =
        storm_start(node->channel, rpc_server_address(server), (unsigned)options.diallers);
    bool ok = true;
    for (unsigned long i = 1; ok && i <= options.times; i++) {
        ok = break_once(storm, node->log, i);
    }
    ok = ok && all_is_well(storm);
    storm_stop(storm);
    rpc_server_stop(server);
    ok = pins_are_counted() && ok;
    node_close(node);
    return ok;
}

static void usage(void)
{
    fprintf(stderr,
            "usage: token_storm [--times N] [--diallers N] [--handshakes N] [--logins N]\n"
            "         [--felt N] [--expect TEXT] [--absent TEXT | --refused TEXT] CONFIG [BREAK "
            "CURE]\n");
    exit(2);
}

static unsigned long number(const char *text)
{
    char *end = NULL;
    unsigned long value = strtoul(text, &end, 10);
    if (end == text || *end != '\0') {
        usage();
    }
    return value;
}

/* True if argv[*at] is an option; then *at is at its value. */
static bool parse_option(char **argv, int *at)
{
    static const struct {
        const char *name;
        unsigned long *number;
        const char **text;
    } known[] = {
        { "--times", &options.times, NULL },
        { "--diallers", &options.diallers, NULL },
        { "--handshakes", &options.handshakes, NULL },
        { "--logins", &options.logins, NULL },
        { "--felt", &options.felt, NULL },
        { "--expect", NULL, &options.expect },
        { "--absent", NULL, &options.absent },
        { "--refused", NULL, &options.refused },
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strcmp(argv[*at], known[i].name) != 0) {
            continue;
        }
        const char *value = argv[++*at];
        if (value == NULL) {
            usage();
        } else if (known[i].number != NULL) {
            *known[i].number = number(value);
        } else {
            *known[i].text = value;
        }
        return true;
    }
    return false;
}

static void parse(int argc, char **argv)
{
    int at = 1;
    while (at < argc && parse_option(argv, &at)) {
        at++;
    }
    int rest = argc - at;
    if ((rest != 1 && rest != 3) || argv[at][0] == '-' || options.diallers < 1 ||
        options.diallers > STORM_DIALLERS_MAX || (options.absent != NULL && rest != 3)) {
        usage();
    }
    options.config = argv[at];
    options.break_it = rest == 3 ? argv[at + 1] : NULL;
    options.cure_it = rest == 3 ? argv[at + 2] : NULL;
    options.times = rest == 3 ? options.times : 0;
    options.felt = options.felt == UNSET ? options.diallers : options.felt;
}

int main(int argc, char **argv)
{
    struct node node;

    parse(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);    /* into a pipe, too: it may abort */
    setenv("GRPC_VERBOSITY", "NONE", 1); /* a line for each handshake that fails */
    grpc_init();
    node_prepare(&node);
    bool ok = options.refused != NULL ? is_refused(&node, options.refused)
                                      : open_node(&node) && weather(&node);
    if (!rpc_shuts_down()) {
        _exit(ok ? 0 : 1); /* its threads go on: nothing may be torn down under them */
    }
    return ok ? 0 : 1;
}
