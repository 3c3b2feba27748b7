/* SPDX-License-Identifier: Apache-2.0
 * A token that hangs in C_Sign, under a gRPC that asks for signatures (BoringSSL). None of its
 * threads waits for a slow key, and one or two for a quick one: calls on a connection that stands
 * are answered in time. With a slow key servers, channels and gRPC itself end while C_Sign runs,
 * and token.max_waiting_inbound counts those who wait. Other cores: fault_stall. */
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
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define SLOW "sign_ms=20\n" /* at `open`, so that the key is none of the quick ones */
#define QUICK ""
#define HANG "sign_hang=1\n"
#define HANG_MS 5000
#define IDLE_MS 2000
#define CALL_EVERY_MS 5
#define CALL_DEADLINE_MS 1000
#define LATE_MAX_MS 5.0
#define END_MAX_MS 50.0
#define PATIENCE_MS 30000
#define DIALLERS 40
#define DIAL_EVERY_MS 25 /* else it is the handshakes' CPU time that is seen */
#define DIAL_AGAIN_MS 1000
/* A neighbour's load comes and goes: one run of some must keep the bounds. */
#define RUNS 5

static bool bounds; /* --bounds: time counts; for a machine that is ours alone */

static struct federation federation;
static struct member slow;  /* on the faulty token */
static struct member quick; /* on SoftHSM */
static struct tls_peer stranger;

static bool comes_to(const atomic_ulong *counter, unsigned long value)
{
    for (double start = now_ms(); *counter != value && now_ms() - start < PATIENCE_MS;) {
        rest_ms(1);
    }
    return *counter == value;
}

static void open_at(struct node *node, const char *speed, const char *patch)
{
    faulty_set(speed);
    node_open(node, &slow, patch);
    faulty_set("");
}

/* --- those who dial --- */

static struct {
    pthread_t threads[DIALLERS];
    unsigned len;
    unsigned every_ms;
    bool come_back; /* until they are admitted */
    int port;
    atomic_ulong admitted;
    atomic_ulong refused;
} diallers;

static void *dial(void *arg)
{
    bool admitted = false;
    rest_ms((double)diallers.every_ms * (double)(uintptr_t)arg);
    do {
        admitted = tls_peer_dial(&stranger, diallers.port).accepted;
        diallers.refused += admitted ? 0 : 1;
        rest_ms(!admitted && diallers.come_back ? DIAL_AGAIN_MS : 0);
    } while (!admitted && diallers.come_back);
    diallers.admitted += admitted ? 1 : 0;
    return NULL;
}

static void start_diallers(unsigned len, int port)
{
    diallers.len = len;
    diallers.port = port;
    diallers.admitted = diallers.refused = 0;
    for (uintptr_t i = 0; i < len; i++) {
        assert_int_equal(pthread_create(&diallers.threads[i], NULL, dial, (void *)i), 0);
    }
}

static void join_diallers(void)
{
    for (unsigned i = 0; i < diallers.len; i++) {
        pthread_join(diallers.threads[i], NULL);
    }
}

/* --- a node with one polling thread, and one who is connected to it --- */

struct scene {
    struct node node, caller;
    struct rpc_server *server;
    grpc_channel *channel;
};

static void open_scene(struct scene *scene, const char *speed, const char *patch)
{
    grpc_init();
    open_at(&scene->node, speed, patch);
    node_open(&scene->caller, &quick, "{}");
    scene->server = rpc_server_start(scene->node.server, 1, NULL, NULL);
    scene->channel = rpc_channel(scene->caller.channel, rpc_server_address(scene->server));
    assert_true(rpc_call_when_ready(scene->channel, RPC_DEADLINE_MS).ok);
}

static void close_scene(struct scene *scene)
{
    grpc_channel_destroy(scene->channel);
    rpc_server_stop(scene->server);
    node_close(&scene->caller);
    node_close(&scene->node);
    rpc_shutdown();
}

/* --- calls --- */

/* Each must be answered. */
static void call_for(grpc_channel *channel, double ms, struct figures *figures)
{
    figures_clear(figures);
    for (double start = now_ms(), at = start; at < start + ms; at = now_ms()) {
        struct rpc_result result = rpc_call(channel, CALL_DEADLINE_MS);
        figures_add(figures, now_ms() - at);
        if (!result.ok) {
            fail_msg("after %.0f ms: %d %s", now_ms() - start, result.status, result.details);
        }
        rest_ms(CALL_EVERY_MS);
    }
}

static bool is_on_time(struct figures *idle, struct figures *hanging)
{
    double usual_ms = figures_percentile(idle, 50);
    double late_ms = hanging->longest - usual_ms;
    double p99_ms = figures_p99(hanging) - usual_ms;
    print_message("  %zu calls: p50 %.2f, p99 %.2f, at most %.2f ms; idle %.2f, %.2f, %.2f; the "
                  "machine's own p99 %.2f, at most %.2f\n",
                  hanging->len, figures_percentile(hanging, 50), figures_p99(hanging),
                  hanging->longest, usual_ms, figures_p99(idle), idle->longest, pulse_p99_ms(),
                  pulse_longest_ms());
    return !bounds || (p99_ms <= LATE_MAX_MS && late_ms <= LATE_MAX_MS + pulse_longest_ms());
}

static bool hang_once(const struct scene *scene)
{
    static struct figures idle, hanging;
    call_for(scene->channel, IDLE_MS, &idle);
    faulty_set(HANG);
    start_diallers(DIALLERS, rpc_server_port(scene->server));
    pulse_clear();
    call_for(scene->channel, HANG_MS, &hanging);
    bool on_time = is_on_time(&idle, &hanging);
    assert_int_equal(diallers.admitted, 0);
    assert_true(faulty_count()->signing_now > 1);
    faulty_set("");
    join_diallers();
    return on_time;
}

static const struct speed {
    const char *name;
    const char *at_open;
} speeds[] = { { "calls are in time, slow key", SLOW }, { "calls are in time, quick key", QUICK } };

static void calls_are_in_time(void **state)
{
    const struct speed *speed = *state;
    struct scene scene;
    bool held = false;
    open_scene(&scene, speed->at_open, "{}");
    diallers.every_ms = DIAL_EVERY_MS;
    diallers.come_back = true;
    pulse_start();
    for (int i = 0; i < (bounds ? RUNS : 1) && !held; i++) {
        held = hang_once(&scene);
    }
    pulse_stop();
    close_scene(&scene);
    assert_true(held);
}

/* --- ends while C_Sign runs --- */

#define FOR_ALL_THE_TIME                                                                           \
    "{\"token\": {\"sign_timeout_ms\": 600000, \"login_timeout_ms\": 1000, \"max_sessions\": 41}}"
#define SIGNING 20

static bool is_soon(const char *what, double took_ms)
{
    print_message("  %s: %.1f ms\n", what, took_ms);
    return took_ms < (bounds ? END_MAX_MS : PATIENCE_MS);
}

static bool server_stops_soon(struct rpc_server *server)
{
    double start = now_ms();
    rpc_server_stop(server);
    return is_soon("the server stops", now_ms() - start);
}

static bool channel_ends_soon(grpc_channel *channel)
{
    double start = now_ms();
    grpc_channel_destroy(channel);
    return is_soon("the channel ends", now_ms() - start);
}

/* While the module is inside, it waits for it as long as login_timeout_ms lets. */
static void close_in_its_time(struct node *node)
{
    double start = now_ms();
    node_close(node);
    print_message("  close: %.1f ms (login_timeout_ms 1000)\n", now_ms() - start);
}

static bool grpc_ends_soon(void)
{
    double start = now_ms();
    rpc_shutdown();
    return is_soon("gRPC ends", now_ms() - start);
}

/* Answers that come now reach nobody. */
static void let_it_return(unsigned long signing)
{
    assert_int_equal(faulty_count()->signing_now, signing);
    faulty_set("");
    assert_true(comes_to(&faulty_count()->signing_now, 0));
    assert_int_equal(faulty_count()->session_shared, 0);
}

static const struct order {
    const char *name;
    bool close_first;
} orders[] = { { "a server ends before its node", false }, { "a node before its server", true } };

static void a_server_ends(void **state)
{
    const struct order *order = *state;
    struct scene scene;
    open_scene(&scene, SLOW, FOR_ALL_THE_TIME);
    diallers.every_ms = 0;
    diallers.come_back = false;
    faulty_set(HANG);
    start_diallers(SIGNING, rpc_server_port(scene.server));
    assert_true(comes_to(&faulty_count()->signing_now, SIGNING));
    if (order->close_first) {
        close_in_its_time(&scene.node);
    }
    bool soon = server_stops_soon(scene.server);
    join_diallers();
    assert_int_equal(diallers.refused, SIGNING);
    if (!order->close_first) {
        close_in_its_time(&scene.node);
    }
    soon &= channel_ends_soon(scene.channel);
    node_close(&scene.caller);
    soon &= grpc_ends_soon();
    let_it_return(SIGNING);
    assert_true(soon);
}

/* Its own key hangs, when it dials. */
static void a_channel_ends(void **state)
{
    (void)state;
    struct node dialler, node;
    grpc_init();
    open_at(&dialler, SLOW, FOR_ALL_THE_TIME);
    node_open(&node, &quick, "{}");
    struct rpc_server *server = rpc_server_start(node.server, 1, NULL, NULL);
    grpc_channel *channel = rpc_channel(dialler.channel, rpc_server_address(server));
    faulty_set(HANG);
    assert_int_equal(rpc_call_when_ready(channel, CALL_DEADLINE_MS).status,
                     GRPC_STATUS_DEADLINE_EXCEEDED);
    bool soon = channel_ends_soon(channel) && server_stops_soon(server);
    node_close(&node);
    close_in_its_time(&dialler);
    soon &= grpc_ends_soon();
    let_it_return(1);
    assert_true(soon);
}

/* --- those who wait are counted --- */

#define COMING 12
#define SIGN 2 /* of three sessions */
#define WAIT 4
#define COUNTED "\"max_sessions\": 3, \"max_waiting_inbound\": 4, \"login_timeout_ms\": 60000"

static const struct bound {
    const char *name;
    const char *patch;
} counted[] = {
    { "so many wait, slow key", "{\"token\": {" COUNTED "}}" },
    { "so many wait, deadline", "{\"token\": {" COUNTED ", \"sign_timeout_ms\": 60000}}" },
};

static void so_many_wait(void **state)
{
    const struct bound *bound = *state;
    struct scene scene;
    open_scene(&scene, SLOW, bound->patch);
    recorder_clear(scene.node.log);
    diallers.every_ms = 0;
    diallers.come_back = false;
    faulty_set(HANG);
    start_diallers(COMING, rpc_server_port(scene.server));
    assert_true(comes_to(&diallers.refused, COMING - SIGN - WAIT));
    rest_ms(300);
    assert_int_equal(diallers.refused, COMING - SIGN - WAIT);
    assert_int_equal(faulty_count()->signing_now, SIGN);
    assert_int_equal(recorder_count(scene.node.log, "busy, too many wait for it"),
                     COMING - SIGN - WAIT);
    faulty_set("");
    join_diallers();
    assert_int_equal(diallers.admitted, SIGN + WAIT);
    assert_int_equal(diallers.refused, COMING - SIGN - WAIT);
    close_scene(&scene);
}

static int start(void **state)
{
    (void)state;
    setenv("GRPC_VERBOSITY", "NONE", 1); /* a line for each refused handshake */
    softhsm_start();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &slow, "slow", "P-256");
    federation_enrol(&federation, &quick, "quick", "P-256");
    slow.module = faulty_start();
    stranger = stranger_make(&federation);
    stranger.patience_s = 60;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    stranger_free(&stranger);
    member_free(&slow);
    member_free(&quick);
    federation_free(&federation);
    return 0;
}

int main(int argc, char **argv)
{
    bounds = argc == 2 && strcmp(argv[1], "--bounds") == 0;
    ROWS_OF(speeds, calls_are_in_time)
    ROWS_OF(orders, a_server_ends)
    ROWS_TEST(a_channel_ends);
    ROWS_OF(counted, so_many_wait)
    return ROWS_RUN("fault_hang", start, stop);
}
