/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/handshake_load.h"

#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bench/plain_tls.h"
#include "fixtures/federation.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define THREADS_MAX 64
#define SERVER_THREADS 8
#define PATIENCE_MS 60000
#define PROGRESS_MS 200

struct options {
    long handshakes;
    long threads;
    const char *key_type;
    bool plain;
    bool json;
};

struct bench {
    const struct options *options;
    grpc_channel_credentials *credentials;
    const char *address;
    atomic_long started;
    atomic_long done;
    atomic_long failed;
};

static void usage(void)
{
    fprintf(stderr,
            "usage: bench_handshake [--handshakes N] [--threads T (1 to %d)]\n"
            "         [--key RSA-2048|RSA-3072|RSA-4096|P-256|P-384|P-521|Ed25519]\n"
            "         [--plain] [--json]\n",
            THREADS_MAX);
    exit(2);
}

static long number(const char *text, long max)
{
    char *end = NULL;
    long value = strtol(text, &end, 10);
    if (*end != '\0' || value < 1 || value > max) {
        usage();
    }
    return value;
}

static struct options parse(int argc, char **argv)
{
    static const struct option known[] = {
        { "handshakes", required_argument, NULL, 'n' },
        { "threads", required_argument, NULL, 't' },
        { "key", required_argument, NULL, 'k' },
        { "plain", no_argument, NULL, 'p' },
        { "json", no_argument, NULL, 'j' },
        { NULL, 0, NULL, 0 },
    };
    struct options options = { .handshakes = 4000, .threads = 8, .key_type = "P-256" };
    int option = 0;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (option == 'n') {
            options.handshakes = number(optarg, 100000000);
        } else if (option == 't') {
            options.threads = number(optarg, THREADS_MAX);
        } else if (option == 'k') {
            options.key_type = optarg;
        } else if (option == 'p') {
            options.plain = true;
        } else if (option == 'j') {
            options.json = true;
        } else {
            usage();
        }
    }
    return options;
}

static void *dial(void *arg)
{
    struct bench *bench = arg;
    while (bench->started++ < bench->options->handshakes) {
        struct rpc_result result = rpc_dial(bench->credentials, bench->address, PATIENCE_MS);
        if (!result.ok && bench->failed++ == 0) {
            fprintf(stderr, "\nfirst failure: %d %s\n", result.status, result.details);
        }
        bench->done++;
    }
    return NULL;
}

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* On a terminal one line that is written over; else silence. */
static void show_progress(struct bench *bench, double start)
{
    while (isatty(STDERR_FILENO) && bench->done < bench->options->handshakes) {
        double passed = now_s() - start;
        fprintf(stderr, "\r%s: %ld of %ld handshakes, %.0f/s, %ld failed ",
                bench->options->key_type, bench->done, bench->options->handshakes,
                passed > 0 ? (double)bench->done / passed : 0.0, bench->failed);
        nanosleep(&(struct timespec){ .tv_nsec = PROGRESS_MS * 1000000L }, NULL);
    }
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r%78s\r", "");
    }
}

static double run(struct bench *bench)
{
    pthread_t threads[THREADS_MAX];
    double start = now_s();
    for (long i = 0; i < bench->options->threads; i++) {
        if (pthread_create(&threads[i], NULL, dial, bench) != 0) {
            abort();
        }
    }
    show_progress(bench, start);
    for (long i = 0; i < bench->options->threads; i++) {
        pthread_join(threads[i], NULL);
    }
    return now_s() - start;
}

static void tell(const struct bench *bench, double seconds)
{
    const struct options *options = bench->options;
    double rate = (double)options->handshakes / seconds;
    if (options->json) {
        printf("{\"key\": \"%s\", \"handshakes\": %ld, \"threads\": %ld, \"failures\": %ld, "
               "\"seconds\": %.3f, \"per_second\": %.1f}\n",
               options->key_type, options->handshakes, options->threads, bench->failed, seconds,
               rate);
    } else {
        printf("%s: %ld full mutual handshakes, %ld threads, %ld failures, %.3f s, %.1f/s\n",
               options->key_type, options->handshakes, options->threads, bench->failed, seconds,
               rate);
    }
}

/* Without a channel that stands gRPC 1.51 can lose certificates in memory; nodekey sees to it. */
static grpc_channel *stand(const struct bench *bench)
{
    grpc_channel *channel = rpc_channel(bench->credentials, bench->address);
    (void)rpc_call(channel, PATIENCE_MS);
    return channel;
}

static int make(const struct options *options, grpc_server_credentials *inbound,
                grpc_channel_credentials *outbound)
{
    struct rpc_server *server = rpc_server_start(inbound, SERVER_THREADS, NULL, NULL);
    struct bench bench = { .options = options,
                           .credentials = outbound,
                           .address = rpc_server_address(server) };
    grpc_channel *standing = options->plain ? stand(&bench) : NULL;
    double seconds = run(&bench);
    tell(&bench, seconds);
    if (standing != NULL) {
        grpc_channel_destroy(standing);
    }
    rpc_server_stop(server);
    return bench.failed == 0 ? 0 : 1;
}

static int make_nodekeys(const struct options *options, const struct federation *federation)
{
    struct member server_member, client_member;
    struct node server_node, client_node;
    federation_enrol(federation, &server_member, "server", options->key_type);
    federation_enrol(federation, &client_member, "client", options->key_type);
    node_open(&server_node, &server_member, "{}");
    node_open(&client_node, &client_member, "{}");
    int code = make(options, server_node.server, client_node.channel);
    node_close(&server_node);
    node_close(&client_node);
    member_free(&server_member);
    member_free(&client_member);
    return code;
}

static int make_plain(const struct options *options, const struct federation *federation)
{
    const struct plain_tls server = plain_tls_member(federation, "server", options->key_type);
    const struct plain_tls client = plain_tls_member(federation, "client", options->key_type);
    grpc_server_credentials *inbound = plain_tls_server(&server);
    grpc_channel_credentials *outbound = plain_tls_channel(&client);
    int code = make(options, inbound, outbound);
    grpc_server_credentials_release(inbound);
    grpc_channel_credentials_release(outbound);
    return code;
}

int handshake_load(int argc, char **argv)
{
    struct options options = parse(argc, argv);
    struct federation federation;
    softhsm_start();
    grpc_init();
    federation_make(&federation, "example.org");
    int code =
        options.plain ? make_plain(&options, &federation) : make_nodekeys(&options, &federation);
    federation_free(&federation);
    rpc_shutdown();
    return code;
}
