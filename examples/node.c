/* SPDX-License-Identifier: Apache-2.0
 * A peer-to-peer node in C: server and client of one protocol, with one key in a PKCS#11 token.
 *
 *   node.c             life cycle: options, plugin, server, greetings, heartbeat, stop
 *   node_plugin.c      loading nodekey.so and getting credentials from it: what a host must do
 *   node_handlers.c    what each call means, and why the claimed address must be the peer's
 *   node_server.c      gRPC C core as a server    node_calls.c       and as a client
 *   node_greet.c       talking to another node    node_neighbours.c  passing gossip on */
#include "node.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/rand.h>

#include "node_greet.h"
#include "node_options.h"
#include "node_server.h"

#define LINE_BYTES 2048

static void print_line(FILE *stream, const char *prefix, const char *fmt, va_list args)
    __attribute__((__format__(__printf__, 3, 0)));
static void print_line(FILE *stream, const char *prefix, const char *fmt, va_list args)
{
    char line[LINE_BYTES];
    vsnprintf(line, sizeof(line), fmt, args);
    fprintf(stream, "%s%s\n", prefix, line); /* one call: threads do not mix their lines */
}

void say(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    print_line(stdout, "", fmt, args);
    va_end(args);
}

void complain(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    print_line(stderr, "node: ", fmt, args);
    va_end(args);
}

static void list_signals(sigset_t *ret_set)
{
    sigemptyset(ret_set);
    sigaddset(ret_set, SIGTERM);
    sigaddset(ret_set, SIGINT);
    sigaddset(ret_set, SIGHUP);
}

bool stop_requested(struct node *node, int wait_ms)
{
    if (node->stop) {
        return true;
    }
    sigset_t set;
    list_signals(&set);
    struct timespec wait = { wait_ms / 1000, wait_ms % 1000 * 1000000L };
    int signal = sigtimedwait(&set, NULL, &wait);
    if (signal == SIGHUP) {
        plugin_reload(&node->plugin);
        return false;
    }
    node->stop = signal > 0;
    return node->stop;
}

/* By rename: who reads it never sees half of it. */
static bool write_ready_file(const char *path, const char *addr)
{
    char draft[4096];
    if ((size_t)snprintf(draft, sizeof(draft), "%s.new", path) >= sizeof(draft)) {
        complain("%s: too long", path);
        return false;
    }
    FILE *file = fopen(draft, "we");
    bool written = file != NULL && fprintf(file, "%s\n", addr) > 0;
    written = file != NULL && fclose(file) == 0 && written;
    if (!written || rename(draft, path) != 0) {
        complain("cannot write %s", path);
        return false;
    }
    return true;
}

/* "I am alive", to all neighbours; they pass it on. */
static void beat(struct node *node)
{
    char clock[32];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(clock, sizeof(clock), "%jd.%06ld", (intmax_t)now.tv_sec, now.tv_nsec / 1000);
    char *args[] = { clock };
    Node__GossipMessage gossip = NODE__GOSSIP_MESSAGE__INIT;
    gossip.ttl = GOSSIP_TTL;
    gossip.args = args;
    gossip.n_args = 1;
    if (RAND_bytes((unsigned char *)&gossip.hash, sizeof(gossip.hash)) != 1) {
        return;
    }
    seen_before(&node->seen, gossip.hash); /* so that it ends when it comes back to us */
    Node__RootMessage message = NODE__ROOT_MESSAGE__INIT;
    message.source = node->addr;
    message.cmd = (char[]){ "beat" };
    message.payload_type_case = NODE__ROOT_MESSAGE__PAYLOAD_TYPE_GOSSIP_MESSAGE;
    message.gossip_message = &gossip;
    neighbours_send(node->neighbours, &message, node->addr);
}

static void serve_until_stopped(struct node *node, int beat_seconds)
{
    while (!stop_requested(node, beat_seconds > 0 ? beat_seconds * 1000 : 1000)) {
        if (beat_seconds > 0) {
            beat(node);
        }
    }
}

static bool serve_and_greet(struct node *node, const struct options *options)
{
    struct server *server = server_start(node, options->listen, options->threads);
    if (server == NULL) {
        return false;
    }
    say("serving %s", node->addr);
    bool well = options->ready_file == NULL || write_ready_file(options->ready_file, node->addr);
    if (well) {
        bool talked = greet_all(node, &options->greeting);
        if (!options->once) {
            serve_until_stopped(node, options->beat_seconds);
        }
        well = talked || !options->once; /* a neighbour may be away: no fault of who serves on */
    }
    server_stop(server);
    say("stopped");
    return well;
}

/* A service manager starts a node again, unless starting again cannot help. */
static int exit_status(nk_status status)
{
    switch (status) {
    case NK_E_PIN:
        return EXIT_PIN;
    case NK_E_CONFIG:
    case NK_E_UNSUPPORTED:
        return EXIT_CONFIG;
    default:
        return EXIT_FAILURE;
    }
}

static int run(struct node *node, const struct options *options)
{
    if (options->addr != NULL || options->no_serve) {
        const char *ours = options->addr != NULL ? options->addr : options->listen;
        snprintf(node->addr, sizeof(node->addr), "%s", ours);
    }
    nk_status status = plugin_open(&node->plugin, options->plugin, options->config);
    if (status != NK_OK) {
        return exit_status(status);
    }
    bool well =
        options->no_serve ? greet_all(node, &options->greeting) : serve_and_greet(node, options);
    plugin_close(&node->plugin);
    return well ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    static struct node node;
    struct options options;
    options_parse(argc, argv, &options);
    setvbuf(stdout, NULL, _IOLBF, 0);
    sigset_t set;
    list_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread exists: all inherit it */
    node.deadline_seconds = options.deadline_seconds;
    seen_init(&node.seen);
    grpc_init();
    int status = run(&node, &options);
    grpc_shutdown();
    options_free(&options);
    return status;
}
