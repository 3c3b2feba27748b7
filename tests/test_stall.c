/* SPDX-License-Identifier: Apache-2.0
 * A token that hangs for ever in C_Sign while 20 peers dial a node with two polling threads: calls
 * on a connection that stands are answered all the while, and when the token is back so are new
 * connections. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "auto.h"
#include "check.h"
#include "faulty_rig.h"
#include "federation.h"
#include "rpc.h"
#include "softhsm.h"

#define POLLERS 2
#define DIALLERS 20
#define DIAL_PAUSE_MS 200 /* as peers back off; else it is the handshakes' CPU time that is seen   \
                           */
#define TIMEOUT_MS 1000
#define PATIENCE_MS 30000
#define CALLS 1000
#define DEADLINE "{\"token\": {\"sign_timeout_ms\": 1000}}"
#define HUNG_MS 3000

static struct federation federation;
static struct member alice, bob;
static struct tls_peer stranger;

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* --- those who dial --- */

static atomic_bool enough;
static atomic_ulong dials;
static atomic_ulong admitted;

static void *dial(void *arg)
{
    int port = *(const int *)arg;
    while (!enough) {
        struct tls_result result = tls_peer_dial(&stranger, port);
        dials++;
        admitted += result.accepted ? 1 : 0;
        nanosleep(&(struct timespec){ .tv_nsec = DIAL_PAUSE_MS * 1000000 }, NULL);
    }
    return NULL;
}

static bool grows_by(const atomic_ulong *counter, unsigned long more)
{
    unsigned long before = *counter;
    double start = now_ms();
    while (*counter < before + more) {
        if (now_ms() - start > PATIENCE_MS) {
            return false;
        }
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    return true;
}

/* --- the connection that stands --- */

struct figures {
    size_t len;
    double ms[CALLS];
    double longest;
};

static int by_size(const void *a, const void *b)
{
    double one = *(const double *)a;
    double other = *(const double *)b;
    return (one > other) - (one < other);
}

static double p99(struct figures *figures)
{
    qsort(figures->ms, figures->len, sizeof(figures->ms[0]), by_size);
    return figures->ms[figures->len * 99 / 100];
}

/* Each must be answered; how fast is only printed. */
static void call_once(grpc_channel *channel, struct figures *figures)
{
    double start = now_ms();
    struct rpc_result result = rpc_call(channel, RPC_DEADLINE_MS);
    double took = now_ms() - start;
    if (!result.ok) {
        fail_msg("%d %s", result.status, result.details);
    }
    if (figures->len < CALLS) {
        figures->ms[figures->len++] = took;
    }
    figures->longest = took > figures->longest ? took : figures->longest;
}

static void call_until_full(grpc_channel *channel, struct figures *figures)
{
    while (figures->len < CALLS) {
        call_once(channel, figures);
    }
}

static void call_while_it_hangs(grpc_channel *channel, struct recorder *log,
                                struct figures *hanging, struct figures *open)
{
    double start = now_ms();
    while (!recorder_has(log, "signatures fail at once")) {
        call_once(channel, hanging);
        assert_true(now_ms() - start < PATIENCE_MS);
    }
    start = now_ms();
    while (now_ms() - start < HUNG_MS) {
        call_once(channel, open);
    }
    call_until_full(channel, open);
}

static void a_hung_token_stalls_nobody(void **state)
{
    (void)state;
    static struct figures idle, hanging, open;
    struct node server_node, client_node;
    pthread_t threads[DIALLERS];
    node_open(&server_node, &bob, DEADLINE);
    node_open(&client_node, &alice, DEADLINE);
    struct rpc_server *server = rpc_server_start(server_node.server, POLLERS, NULL, NULL);
    int port = rpc_server_port(server);
    grpc_channel *channel = rpc_channel(client_node.channel, rpc_server_address(server));
    assert_true(rpc_call_when_ready(channel, RPC_DEADLINE_MS).ok);
    call_until_full(channel, &idle);

    faulty_set("sign_hang=1\n");
    for (int i = 0; i < DIALLERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, dial, &port), 0);
    }
    call_while_it_hangs(channel, server_node.log, &hanging, &open);
    assert_true(grows_by(&dials, DIALLERS)); /* refused, not kept */
    assert_int_equal(admitted, 0);
    print_message("longest stall %.1f ms (sign_timeout_ms %d); p99 idle %.2f ms, breaker open "
                  "%.2f ms (longest %.1f)\n",
                  hanging.longest > open.longest ? hanging.longest : open.longest, TIMEOUT_MS,
                  p99(&idle), p99(&open), open.longest);

    faulty_set("");
    assert_true(recorder_waits_for(server_node.log, "answers again after", PATIENCE_MS));
    assert_true(grows_by(&admitted, DIALLERS));
    assert_true(rpc_dial(client_node.channel, rpc_server_address(server), RPC_DEADLINE_MS).ok);
    enough = true;
    for (int i = 0; i < DIALLERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(faulty_count()->session_shared, 0);
    grpc_channel_destroy(channel);
    rpc_server_stop(server);
    node_close(&client_node);
    node_close(&server_node);
}

static int start(void **state)
{
    (void)state;
    setenv("GRPC_VERBOSITY", "NONE", 1); /* a line for each refused handshake */
    softhsm_start();
    grpc_init();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    federation_enrol(&federation, &bob, "bob", "P-256");
    alice.module = bob.module = faulty_start();
    stranger = stranger_make(&federation);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    stranger_free(&stranger);
    member_free(&alice);
    member_free(&bob);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hung_token_stalls_nobody),
    };
    return cmocka_run_group_tests_name("fault_stall", tests, start, stop);
}
