/* SPDX-License-Identifier: Apache-2.0
 * What lent threads are for: peers that dial all at once a node with one polling thread, whose
 * token takes its time. The node is a process of its own, once with and once without them; the
 * peers are plain OpenSSL, so that no thread of this process does the node's work. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench/harness/bench.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/federation.h"
#include "fixtures/node_process.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"
#include "fixtures/wire/tls_peer_ends.h"

#define ROUNDS 31
#define PEERS 32
#define CALLS_MAX 10000
#define CALL_EVERY_US 5000.0
#define SIGNATURE "sign_ms=100\n"
/* One session more than threads that poll: for our own dialling. */
#define WITHOUT "{\"token\": {\"max_sessions\": 34}}"
#define WITH "{\"token\": {\"max_sessions\": 34}, \"grpc\": {\"lent_threads\": 32}}"
#define HANDSHAKES_MIN 10.0
#define P99_MAX 0.25
/* A percentile of one storm is not known to 5%, nor need it be so far from the bound. */
#define P99_REACH (P99_MAX / 5)

static const char about[] =
    "32 peers dial at once a node with one polling thread and a token that takes 100 ms for a\n"
    "signature, without and with grpc.lent_threads = 32: handshakes per second, and the 99th\n"
    "percentile of calls on a connection that was there before. Needs NODEKEY_MODULE.\n";

/* How often each peer dials: enough for a figure, and no round longer than it must be. */
static const unsigned dials[BENCH_SIDES] = { [BENCH_WITHOUT] = 1, [BENCH_WITH] = 6 };

static struct tls_peer peer;

static void die(const char *what)
{
    fprintf(stderr, "bench_storm: %s\n", what);
    abort();
}

/* --- the peers --- */

struct wave {
    pthread_t threads[PEERS];
    int port;
    unsigned dials;
    atomic_uint left; /* peers that have not done */
};

static void *dial(void *arg)
{
    struct wave *wave = arg;
    SSL_CTX *context = tls_peer_context_kept(&peer);
    for (unsigned i = 0; i < wave->dials; i++) {
        struct tls_result result = tls_peer_dial_kept(&peer, context, wave->port);
        if (!result.accepted) {
            die(result.why);
        }
    }
    SSL_CTX_free(context);
    wave->left--;
    return NULL;
}

static void start_wave(struct wave *wave)
{
    wave->left = PEERS;
    for (int i = 0; i < PEERS; i++) {
        if (pthread_create(&wave->threads[i], NULL, dial, wave) != 0) {
            die("no thread");
        }
    }
}

static void join_wave(struct wave *wave)
{
    for (int i = 0; i < PEERS; i++) {
        pthread_join(wave->threads[i], NULL);
    }
}

/* --- the connection that was there --- */

static double calls_us[CALLS_MAX];

static int by_size(const void *a, const void *b)
{
    double one = *(const double *)a;
    double other = *(const double *)b;
    return (one > other) - (one < other);
}

static double now_us(void)
{
    return bench_now().wall_us;
}

static void sleep_until(double at_us)
{
    double left_us = at_us - now_us();
    if (left_us > 0) {
        nanosleep(&(struct timespec){ .tv_nsec = (long)(left_us * 1e3) }, NULL);
    }
}

static void call_or_die(grpc_channel *channel)
{
    struct rpc_result result = rpc_call(channel, RPC_DEADLINE_MS);
    if (!result.ok) {
        die(result.details);
    }
}

/* Calls are due at fixed times, and late from then on: one that stalls makes the next ones late,
 * too, as it would those of a caller who does not wait. */
static double call_until_done(grpc_channel *channel, const struct wave *wave)
{
    size_t len = 0;
    double due_us = now_us();
    double end_us = 0;
    while (len < CALLS_MAX && (end_us == 0 || due_us < end_us)) {
        sleep_until(due_us);
        call_or_die(channel);
        calls_us[len++] = now_us() - due_us;
        due_us += CALL_EVERY_US;
        end_us = end_us == 0 && wave->left == 0 ? now_us() : end_us;
    }
    qsort(calls_us, len, sizeof(calls_us[0]), by_size);
    return calls_us[len * 99 / 100];
}

/* --- rounds --- */

struct figures {
    struct bench_time per_second;
    struct bench_time p99;
};

struct rig {
    struct node_process *nodes[BENCH_SIDES];
    grpc_channel *channels[BENCH_SIDES];
    struct figures *kept; /* of each storm, in turn */
    size_t storms;
    size_t told;
};

static struct bench_time storm(void *user, enum bench_side side)
{
    struct rig *rig = user;
    struct wave wave = { .port = node_process_port(rig->nodes[side]), .dials = dials[side] };
    if (!rpc_call_when_ready(rig->channels[side], RPC_DEADLINE_MS).ok) {
        die("the node does not answer");
    }
    struct bench_time start = bench_now();
    start_wave(&wave);
    double p99_us = call_until_done(rig->channels[side], &wave);
    join_wave(&wave);
    struct bench_time took = bench_since(start);
    double handshakes = (double)PEERS * wave.dials;
    struct figures *figures = &rig->kept[rig->storms++];
    figures->per_second =
        (struct bench_time){ handshakes / took.wall_us * 1e6, took.cpu_us / handshakes * PEERS };
    figures->p99 = (struct bench_time){ p99_us, figures->per_second.cpu_us };
    return figures->per_second;
}

/* The same storms in the same order, since both rows ask in the same turns. */
static struct bench_time recall(void *user, enum bench_side side)
{
    struct rig *rig = user;
    (void)side;
    return rig->kept[rig->told++].p99;
}

static void run(const struct bench_options *options, struct rig *rig)
{
    const struct bench_row handshakes = {
        .name = "storm_handshakes",
        .what = "100 ms token, 1 polling thread, 32 lent / none: handshakes/s",
        .figure = BENCH_QUOTIENT,
        .bound = { .side = STATS_AT_LEAST, .value = HANDSHAKES_MIN },
        .operations = PEERS,
        .batch = storm,
        .user = rig,
    };
    const struct bench_row p99 = {
        .name = "storm_rpc_p99",
        .what = "  p99 of calls on an established connection meanwhile",
        .figure = BENCH_QUOTIENT,
        .bound = { .side = STATS_AT_MOST, .value = P99_MAX, .reach = P99_REACH },
        .operations = PEERS,
        .batch = recall,
        .user = rig,
    };
    bench_run(options, &handshakes);
    bench_run(options, &p99);
}

static grpc_channel *connect_to(grpc_channel_credentials *credentials,
                                const struct node_process *node)
{
    char address[32];
    snprintf(address, sizeof(address), "127.0.0.1:%d", node_process_port(node));
    return rpc_channel(credentials, address);
}

int main(int argc, char **argv)
{
    const struct bench_options options = bench_parse(argc, argv, about, ROUNDS);
    struct federation federation;
    struct member server, client;
    struct node caller;
    struct rig rig = { .kept = calloc(2 * options.rounds, sizeof(*rig.kept)) };
    softhsm_start();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &server, "node", "P-256");
    federation_enrol(&federation, &client, "client", "P-256");
    server.module = faulty_start();
    peer = stranger_make(&federation);
    rig.nodes[BENCH_WITHOUT] = node_process_start(&server, WITHOUT, 1);
    rig.nodes[BENCH_WITH] = node_process_start(&server, WITH, 1);
    grpc_init();
    node_open(&caller, &client, "{}"); /* its own token is fast */
    for (int side = 0; side < BENCH_SIDES; side++) {
        rig.channels[side] = connect_to(caller.channel, rig.nodes[side]);
    }
    faulty_set(SIGNATURE);
    run(&options, &rig);
    for (int side = 0; side < BENCH_SIDES; side++) {
        grpc_channel_destroy(rig.channels[side]);
        node_process_stop(rig.nodes[side]);
    }
    node_close(&caller);
    stranger_free(&peer);
    member_free(&server);
    member_free(&client);
    federation_free(&federation);
    free(rig.kept);
    rpc_shutdown();
    return 0;
}
