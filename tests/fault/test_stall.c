/* SPDX-License-Identifier: Apache-2.0
 * A token that hangs for ever in C_Sign while 50 peers dial a node with four polling threads: calls
 * on a connection that stands are answered all the while, none later than the deadline of a
 * signature and a little more, and as fast as ever once the breaker is open; when the token is back
 * so are new connections. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "fault/figures.h"
#include "fault/pulse.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/federation.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define POLLERS 4
#define DIALLERS 50
#define DIAL_PAUSE_MS                                                                              \
    1000 /* gRPC's own first back-off; else it is the handshakes' CPU time that                    \
            is seen */
#define TIMEOUT_MS 1000
#define LATE_MS 100
#define SLOWER_MAX 2.0
#define PATIENCE_MS 30000
#define TURNS 6
#define TURN_MS 500
#define DEADLINE "{\"token\": {\"sign_timeout_ms\": 1000}}"
/* A neighbour's load comes and goes: one run of some must keep the bounds. What breaks the promise
 * breaks it in each. */
#define RUNS 5

static bool bounds; /* --bounds: time counts; for a machine that is ours alone */

static struct federation federation;
static struct member alice, bob;
static struct tls_peer stranger;

/* --- those who dial --- */

static pthread_t diallers[DIALLERS];
static int dialled_port;
static atomic_bool dialling; /* else they pause */
static atomic_bool enough;
static atomic_ulong dials;
static atomic_ulong admitted;

static void *dial(void *arg)
{
    while (!enough) {
        if (dialling) {
            struct tls_result result = tls_peer_dial(&stranger, dialled_port);
            dials++;
            admitted += result.accepted ? 1 : 0;
        }
        rest_ms(dialling ? DIAL_PAUSE_MS : 10);
    }
    return arg;
}

static void start_diallers(int port)
{
    dialled_port = port;
    for (int i = 0; i < DIALLERS; i++) {
        assert_int_equal(pthread_create(&diallers[i], NULL, dial, NULL), 0);
    }
}

static void stop_diallers(void)
{
    enough = true;
    for (int i = 0; i < DIALLERS; i++) {
        pthread_join(diallers[i], NULL);
    }
}

static bool grows_by(const atomic_ulong *counter, unsigned long more)
{
    unsigned long before = *counter;
    double start = now_ms();
    while (*counter < before + more) {
        if (now_ms() - start > PATIENCE_MS) {
            return false;
        }
        rest_ms(1);
    }
    return true;
}

/* --- the connection that stands --- */

/* Each must be answered. */
static void call_standing(grpc_channel *channel, struct figures *figures)
{
    double start = now_ms();
    struct rpc_result result = rpc_call(channel, RPC_DEADLINE_MS);
    figures_add(figures, now_ms() - start);
    if (!result.ok) {
        fail_msg("%d %s", result.status, result.details);
    }
}

static void call_for(grpc_channel *channel, struct figures *figures, double ms)
{
    double start = now_ms();
    while (now_ms() - start < ms) {
        call_standing(channel, figures);
    }
}

/* On a busy machine it may open and close for a moment without us. */
static bool is_open(struct recorder *log)
{
    return recorder_count(log, "signatures fail at once") >
           recorder_count(log, "answers again after");
}

static bool closes(struct recorder *log)
{
    double start = now_ms();
    while (is_open(log)) {
        if (now_ms() - start > PATIENCE_MS) {
            return false;
        }
        rest_ms(1);
    }
    return true;
}

static void call_until_open(grpc_channel *channel, struct recorder *log, struct figures *figures)
{
    double start = now_ms();
    while (!is_open(log)) {
        call_standing(channel, figures);
        if (now_ms() - start > PATIENCE_MS) {
            char *text = recorder_copy(log);
            print_message("%s", text);
            free(text);
            fail_msg("the breaker does not open; the log is above");
        }
    }
}

/* --- one run --- */

struct scene {
    struct node server_node, client_node;
    struct rpc_server *server;
    grpc_channel *channel;
};

struct outcome {
    double stall_ms;
    double machine_ms; /* of it, what the machine may have added */
    double idle_p99_ms;
    double open_p99_ms;
};

/* The breaker is open: in turns while nobody dials and while they do. */
static void compare(const struct scene *scene, struct figures *idle, struct figures *open)
{
    for (int i = 0; i < TURNS; i++) {
        dialling = false;
        rest_ms(50); /* those under way end */
        call_for(scene->channel, idle, TURN_MS);
        dialling = true;
        call_for(scene->channel, open, TURN_MS);
    }
}

static void hang(const struct scene *scene, struct outcome *outcome)
{
    static struct figures hanging, idle, open;
    figures_clear(&hanging);
    figures_clear(&idle);
    figures_clear(&open);
    unsigned long admitted_before = admitted;
    pulse_clear();
    faulty_set("sign_hang=1\n");
    dialling = true;
    call_until_open(scene->channel, scene->server_node.log, &hanging);
    call_for(scene->channel, &open, DIAL_PAUSE_MS); /* what waited is sent on its way */
    outcome->stall_ms = hanging.longest > open.longest ? hanging.longest : open.longest;
    outcome->machine_ms = pulse_longest_ms();
    figures_clear(&open);
    compare(scene, &idle, &open);
    assert_true(grows_by(&dials, DIALLERS)); /* refused, not kept */
    assert_int_equal(admitted, admitted_before);
    outcome->idle_p99_ms = figures_p99(&idle);
    outcome->open_p99_ms = figures_p99(&open);
}

static void heal(const struct scene *scene)
{
    faulty_set("");
    assert_true(closes(scene->server_node.log));
    assert_true(grows_by(&admitted, DIALLERS));
    assert_true(
        rpc_dial(scene->client_node.channel, rpc_server_address(scene->server), RPC_DEADLINE_MS)
            .ok);
    dialling = false;
}

static bool holds(const struct outcome *outcome)
{
    print_message("longest stall %.1f ms (sign_timeout_ms %d; the machine's own %.1f); p99 idle "
                  "%.2f ms, breaker open %.2f ms\n",
                  outcome->stall_ms, TIMEOUT_MS, outcome->machine_ms, outcome->idle_p99_ms,
                  outcome->open_p99_ms);
    return !bounds || (outcome->stall_ms <= TIMEOUT_MS + LATE_MS + outcome->machine_ms &&
                       outcome->open_p99_ms <= SLOWER_MAX * outcome->idle_p99_ms);
}

static void a_hung_token_stalls_nobody(void **state)
{
    (void)state;
    struct scene scene;
    bool held = false;
    node_open(&scene.server_node, &bob, DEADLINE);
    node_open(&scene.client_node, &alice, DEADLINE);
    scene.server = rpc_server_start(scene.server_node.server, POLLERS, NULL, NULL);
    scene.channel = rpc_channel(scene.client_node.channel, rpc_server_address(scene.server));
    assert_true(rpc_call_when_ready(scene.channel, RPC_DEADLINE_MS).ok);
    pulse_start();
    start_diallers(rpc_server_port(scene.server));
    for (int i = 0; i < RUNS && !held; i++) {
        struct outcome outcome;
        hang(&scene, &outcome);
        heal(&scene);
        held = holds(&outcome);
    }
    stop_diallers();
    pulse_stop();
    assert_true(held);
    assert_int_equal(faulty_count()->session_shared, 0);
    grpc_channel_destroy(scene.channel);
    rpc_server_stop(scene.server);
    node_close(&scene.client_node);
    node_close(&scene.server_node);
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

int main(int argc, char **argv)
{
    bounds = argc == 2 && strcmp(argv[1], "--bounds") == 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hung_token_stalls_nobody),
    };
    return cmocka_run_group_tests_name("fault_stall", tests, start, stop);
}
