/* SPDX-License-Identifier: Apache-2.0
 * What our per-RPC check adds to a call on an established connection. Both ends of the comparison
 * are gRPC's TLS with keys and certificates of one kind; only one has credentials of the plugin.
 * Server and client are two processes, so that each one's CPU time can be told from the other's. */
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/harness/bench.h"
#include "bench/plain_tls.h"
#include "fixtures/federation.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define ROUNDS 101
#define CALLS 500     /* in one batch */
#define WARM_CALLS 50 /* before it: the handshake, and what lingers of the last connection */
#define KEY_TYPE "P-256"
#define ADDED_MAX_US 2.0
#define REACH_US (ADDED_MAX_US / 2)

static const char about[] =
    "CPU time that our per-RPC check adds to a unary call over loopback, for the server and for "
    "the\n"
    "client, against gRPC's own TLS credentials. The process under test has one connection at a\n"
    "time, made anew for each batch; its handshake is not counted. Needs NODEKEY_MODULE.\n";

static void die(const char *what)
{
    fprintf(stderr, "bench_rpc: %s\n", what);
    abort();
}

/* Server and client in turns on one processor: spread over several, a call costs twice as much or
 * not, as its wakeups fall, which hides what is measured. */
static void stay_here(void)
{
    cpu_set_t here;
    CPU_ZERO(&here);
    CPU_SET((size_t)sched_getcpu(), &here);
    if (sched_setaffinity(0, sizeof(here), &here) != 0) {
        die("sched_setaffinity failed");
    }
}

/* --- credentials without us --- */

static struct plain_tls outsider; /* a member by its certificate; its key is in memory */

/* gRPC's hook for a check per call, with nothing in it: what no check in this place can cost less
 * than. */
static int say_yes(void *state, grpc_auth_metadata_context context,
                   grpc_credentials_plugin_metadata_cb done, void *user_data,
                   grpc_metadata metadata[GRPC_METADATA_CREDENTIALS_PLUGIN_SYNC_MAX],
                   size_t *metadata_len, grpc_status_code *status, const char **details)
{
    (void)state, (void)context, (void)done, (void)user_data, (void)metadata;
    *metadata_len = 0;
    *status = GRPC_STATUS_OK;
    *details = NULL;
    return 1;
}

static void forget(void *state)
{
    (void)state;
}

static grpc_channel_credentials *hooked_channel(void)
{
    const grpc_metadata_credentials_plugin plugin = { .get_metadata = say_yes,
                                                      .destroy = forget,
                                                      .type = "empty" };
    grpc_channel_credentials *channel = plain_tls_channel(&outsider);
    grpc_call_credentials *call =
        grpc_metadata_credentials_create_from_plugin(plugin, GRPC_PRIVACY_AND_INTEGRITY, NULL);
    grpc_channel_credentials *hooked =
        grpc_composite_channel_credentials_create(channel, call, NULL);
    grpc_call_credentials_release(call);
    grpc_channel_credentials_release(channel);
    return hooked;
}

/* --- the server's process --- */

struct order { /* from the client's process */
    enum { START, TELL_TIME } what;
    enum bench_side side; /* of START: which credentials */
};

struct answer {
    int port;
    struct bench_time time;
};

static void serve(int orders, const struct member *member)
{
    struct node node;
    struct rpc_server *server = NULL;
    struct order order;
    grpc_init();
    node_open(&node, member, "{}");
    grpc_server_credentials *software = plain_tls_server(&outsider);
    while (read(orders, &order, sizeof(order)) == (ssize_t)sizeof(order)) {
        if (order.what == START) {
            rpc_server_stop(server);
            server =
                rpc_server_start(order.side == BENCH_WITH ? node.server : software, 1, NULL, NULL);
        }
        struct answer answer = { .port = rpc_server_port(server), .time = bench_now() };
        if (write(orders, &answer, sizeof(answer)) != (ssize_t)sizeof(answer)) {
            die("the client's process is gone");
        }
    }
    rpc_server_stop(server);
    grpc_server_credentials_release(software);
    node_close(&node);
    rpc_shutdown();
}

/* Before anything of this process has threads. */
static pid_t start_serving(const struct member *member, int *ret_orders)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        die("socketpair failed");
    }
    pid_t child = fork();
    if (child < 0) {
        die("fork failed");
    }
    if (child == 0) {
        close(ends[0]);
        serve(ends[1], member);
        exit(0);
    }
    close(ends[1]);
    *ret_orders = ends[0];
    return child;
}

static struct answer ask(int orders, struct order order)
{
    struct answer answer = { .port = 0 };
    if (write(orders, &order, sizeof(order)) != (ssize_t)sizeof(order) ||
        read(orders, &answer, sizeof(answer)) != (ssize_t)sizeof(answer)) {
        die("the server's process is gone");
    }
    return answer;
}

static void stop_serving(pid_t child, int orders)
{
    int status = 0;
    close(orders);
    if (waitpid(child, &status, 0) != child || status != 0) {
        die("the server's process did not end well");
    }
}

/* --- the client's process --- */

struct rig {
    int orders;
    bool asks_server; /* the server is under test, else this process */
    grpc_channel_credentials *credentials[BENCH_SIDES];
};

static grpc_channel *connect_to(grpc_channel_credentials *credentials, int port)
{
    char address[32];
    snprintf(address, sizeof(address), "127.0.0.1:%d", port);
    grpc_channel *channel = rpc_channel(credentials, address);
    for (int i = 0; i < WARM_CALLS; i++) {
        struct rpc_result result = rpc_call_when_ready(channel, RPC_DEADLINE_MS);
        if (!result.ok) {
            die(result.details);
        }
    }
    return channel;
}

static struct bench_time now(const struct rig *rig)
{
    const struct order order = { .what = TELL_TIME };
    return rig->asks_server ? ask(rig->orders, order).time : bench_now();
}

static struct bench_time call_batch(void *user, enum bench_side side)
{
    const struct rig *rig = user;
    const struct order order = { START, rig->asks_server ? side : BENCH_WITHOUT };
    int port = ask(rig->orders, order).port;
    grpc_channel *channel =
        connect_to(rig->credentials[rig->asks_server ? BENCH_WITHOUT : side], port);
    struct bench_time start = now(rig);
    for (int i = 0; i < CALLS; i++) {
        struct rpc_result result = rpc_call(channel, RPC_DEADLINE_MS);
        if (!result.ok) {
            die(result.details);
        }
    }
    struct bench_time end = now(rig);
    grpc_channel_destroy(channel);
    return (struct bench_time){ end.wall_us - start.wall_us, end.cpu_us - start.cpu_us };
}

static void compare(const struct bench_options *options, struct rig *rig, const char *name,
                    const char *what)
{
    const struct bench_row row = {
        .name = name,
        .what = what,
        .figure = BENCH_ADDED_CPU_US,
        .bound = { .side = STATS_AT_MOST, .value = ADDED_MAX_US, .reach = REACH_US },
        .operations = CALLS,
        .batch = call_batch,
        .user = rig,
    };
    bench_run(options, &row);
}

static void call(const struct bench_options *options, int orders, const struct member *member)
{
    struct node node;
    /* The other process has opened the token then: two that look for it at once may find none. */
    ask(orders, (struct order){ .what = START });
    grpc_init();
    node_open(&node, member, "{}");
    struct rig
        rig = { .orders = orders,
                .credentials = {
                    [BENCH_WITHOUT] = plain_tls_channel(&outsider), [BENCH_WITH] = node.channel } };
    rig.asks_server = true;
    compare(options, &rig, "rpc_check_server", "per-RPC check: CPU added to the server's");
    rig.asks_server = false;
    compare(options, &rig, "rpc_check_client", "per-RPC check: CPU added to the client's");
    grpc_channel_credentials_release(rig.credentials[BENCH_WITHOUT]);
    rig.credentials[BENCH_WITHOUT] = hooked_channel();
    compare(options, &rig, "rpc_check_client_over_hook",
            "per-RPC check: of the client's, beside gRPC's empty hook");
    grpc_channel_credentials_release(rig.credentials[BENCH_WITHOUT]);
    node_close(&node);
}

int main(int argc, char **argv)
{
    const struct bench_options options = bench_parse(argc, argv, about, ROUNDS);
    struct federation federation;
    struct member member;
    int orders = -1;
    stay_here();
    softhsm_start();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &member, "node", KEY_TYPE);
    outsider = plain_tls_member(&federation, "stranger", KEY_TYPE);
    pid_t child = start_serving(&member, &orders);
    call(&options, orders, &member);
    stop_serving(child, orders);
    rpc_shutdown();
    member_free(&member);
    federation_free(&federation);
    return 0;
}
