/* SPDX-License-Identifier: Apache-2.0
 * 200 connections a second without a certificate, against a token that takes 20 ms for a signature:
 * a TLS server signs before it sees who dials. Members get in all the while, the node's own
 * dialling succeeds, neither much slower than when it is quiet; and the log says what the strangers
 * cost. */
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
#include "fixtures/node_process.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/grpc_credentials.h"
#include "fixtures/wire/rpc.h"
#include "fixtures/wire/tls_peer_ends.h"

#define SIGNATURE "sign_ms=20\n"
#define POLLERS 2
/* What `open` recommends for such a token. Less is not enough: 200 signatures a second keep four
 * threads busy, and these come in bursts. */
#define LENT "\"grpc\": {\"lent_threads\": 8}"
#define STRANGERS 40 /* threads: more than can be under way */
#define PER_SECOND 200
#define PER_SECOND_MIN 180
#define SLOWER_MAX 5.0
#define HOPS 3 /* from thread to thread, of a handshake and the call after it */
#define TURNS 4
#define TURN_MS 1500
#define SETTLE_MS 200
#define TOLD_MS 30000 /* the count lags ten seconds */
/* A neighbour's load comes and goes: one run of some must keep the bounds. */
#define RUNS 8

static bool bounds; /* --bounds: time counts; for a machine that is ours alone */

static struct federation federation;
static struct member alice, bob; /* the node that ours dials; ours, on the slow token */
static struct tls_peer insider, outsider;
static SSL_CTX *member_context;
static struct node_process *neighbour;

/* --- who dials without a certificate --- */

static struct {
    pthread_t threads[STRANGERS];
    int port;
    atomic_bool come; /* else they stay away */
    atomic_bool enough;
    atomic_ulong dials;
    atomic_ulong admitted;
} strangers;

/* Each is due at fixed times: who meets a slow node does not come more seldom for it. */
static void *come_and_go(void *unused)
{
    SSL_CTX *context = tls_peer_context_kept(&outsider);
    double due = now_ms();
    while (!strangers.enough) {
        if (!strangers.come) {
            rest_ms(5);
            due = now_ms();
            continue;
        }
        strangers.admitted +=
            tls_peer_dial_kept(&outsider, context, strangers.port).accepted ? 1 : 0;
        strangers.dials++;
        due += 1e3 * STRANGERS / PER_SECOND;
        rest_ms(due - now_ms());
    }
    SSL_CTX_free(context);
    return unused;
}

static void start_strangers(int port)
{
    strangers.port = port;
    strangers.come = strangers.enough = false;
    strangers.dials = strangers.admitted = 0;
    for (int i = 0; i < STRANGERS; i++) {
        assert_int_equal(pthread_create(&strangers.threads[i], NULL, come_and_go, NULL), 0);
    }
}

static void stop_strangers(void)
{
    strangers.enough = true;
    for (int i = 0; i < STRANGERS; i++) {
        pthread_join(strangers.threads[i], NULL);
    }
}

/* --- who must get through --- */

struct traffic { /* of one kind */
    pthread_t thread;
    bool (*dial_once)(struct traffic *traffic);
    const struct node *node;
    int port;
    SSL_CTX *context; /* of members */
    double until;
    struct figures *figures;
    unsigned failed;
    char why[256];
};

static bool member_dials(struct traffic *traffic)
{
    struct tls_result result = tls_peer_dial_kept(&insider, traffic->context, traffic->port);
    if (!result.accepted) {
        snprintf(traffic->why, sizeof(traffic->why), "member: %.200s", result.why);
    }
    return result.accepted;
}

static bool we_dial(struct traffic *traffic)
{
    char address[32];
    snprintf(address, sizeof(address), "127.0.0.1:%d", node_process_port(neighbour));
    struct rpc_result result = rpc_dial(traffic->node->channel, address, RPC_DEADLINE_MS);
    if (!result.ok) {
        snprintf(traffic->why, sizeof(traffic->why), "our dialling: %.200s", result.details);
    }
    return result.ok;
}

static void *flow(void *arg)
{
    struct traffic *traffic = arg;
    while (now_ms() < traffic->until) {
        double start = now_ms();
        traffic->failed += traffic->dial_once(traffic) ? 0 : 1;
        figures_add(traffic->figures, now_ms() - start);
    }
    return NULL;
}

struct sides { /* members' handshakes, and ours */
    struct figures theirs;
    struct figures ours;
};

static void one_turn(const struct node *node, int port, struct sides *sides)
{
    struct traffic both[] = {
        { .dial_once = member_dials,
          .port = port,
          .context = member_context,
          .figures = &sides->theirs },
        { .dial_once = we_dial, .node = node, .figures = &sides->ours },
    };
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        both[i].until = now_ms() + TURN_MS;
        assert_int_equal(pthread_create(&both[i].thread, NULL, flow, &both[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        pthread_join(both[i].thread, NULL);
    }
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        if (both[i].failed > 0) {
            fail_msg("%u failed, the last: %s", both[i].failed, both[i].why);
        }
    }
}

/* --- one run --- */

static struct sides quiet, besieged;

static bool is_within(const char *who, struct figures *loud, struct figures *still)
{
    double machine_ms = HOPS * pulse_p99_ms();
    double times = (figures_p99(loud) - machine_ms) / figures_p99(still);
    print_message(
        "  p99 of %zu of %s %.1f ms, quiet %.1f ms (the machine's own %.1f): %.2f times\n",
        loud->len, who, figures_p99(loud), figures_p99(still), machine_ms, times);
    return times <= SLOWER_MAX;
}

static bool holds(const char *mode, double per_second)
{
    print_message("%s: %.0f strangers/s\n", mode, per_second);
    bool theirs = is_within("members' handshakes", &besieged.theirs, &quiet.theirs);
    bool ours = is_within("our own", &besieged.ours, &quiet.ours);
    return !bounds || (theirs && ours && per_second >= PER_SECOND_MIN);
}

static bool run(const char *mode, const struct node *node, int port)
{
    unsigned long came = 0;
    pulse_clear();
    double passed_ms = 0;
    figures_clear(&quiet.theirs);
    figures_clear(&quiet.ours);
    figures_clear(&besieged.theirs);
    figures_clear(&besieged.ours);
    for (int i = 0; i < TURNS; i++) {
        one_turn(node, port, &quiet);
        strangers.come = true;
        rest_ms(SETTLE_MS);
        unsigned long before = strangers.dials;
        double start = now_ms();
        one_turn(node, port, &besieged);
        passed_ms += now_ms() - start;
        came += strangers.dials - before;
        strangers.come = false;
        rest_ms(SETTLE_MS);
    }
    return holds(mode, (double)came / passed_ms * 1e3);
}

static unsigned long told_signatures(struct recorder *log)
{
    unsigned long told = 0;
    char *text = recorder_copy(log);
    const char *line = strstr(text, " signatures (");
    assert_non_null(line);
    while (line > text && line[-1] >= '0' && line[-1] <= '9') {
        line--;
    }
    told = strtoul(line, NULL, 10);
    free(text);
    return told;
}

static void strangers_do_not_keep_members_out(const char *mode, const char *patch)
{
    struct node node;
    bool held = false;
    node_open(&node, &bob, patch);
    /* Nothing to recommend, but to leave them out where none are lent. */
    assert_true(recorder_has(node.log, "lent_threads") == LATER_CORE);
    struct rpc_server *server = rpc_server_start(node.server, POLLERS, NULL, NULL);
    start_strangers(rpc_server_port(server));
    for (int i = 0; i < RUNS && !held; i++) {
        held = run(mode, &node, rpc_server_port(server));
    }
    assert_true(recorder_waits_for(node.log, "never finished their handshake", TOLD_MS));
    unsigned long told = told_signatures(node.log);
    print_message("told of %lu signatures for strangers\n", told);
    stop_strangers();
    assert_in_range(told, 1, strangers.dials);
    assert_int_equal(strangers.admitted, 0);
    assert_int_equal(faulty_count()->session_shared, 0);
    rpc_server_stop(server);
    node_close(&node);
    assert_true(held);
}

static void calls_go_straight_into_the_module(void **state)
{
    (void)state;
    strangers_do_not_keep_members_out("direct", "{" LENT "}");
}

static void calls_have_a_deadline(void **state)
{
    (void)state;
    strangers_do_not_keep_members_out("deadline",
                                      "{\"token\": {\"sign_timeout_ms\": 3000}, " LENT "}");
}

/* What takes no signature that is wasted is not told of. */
static void members_alone_cost_nothing(void **state)
{
    (void)state;
    struct node node;
    struct traffic traffic = { .context = member_context };
    node_open(&node, &bob, "{" LENT "}");
    struct rpc_server *server = rpc_server_start(node.server, POLLERS, NULL, NULL);
    traffic.port = rpc_server_port(server);
    for (double start = now_ms(); now_ms() - start < 12000;) { /* longer than the count lags */
        assert_true(member_dials(&traffic));
        rest_ms(50);
    }
    assert_false(recorder_has(node.log, "never finished their handshake"));
    rpc_server_stop(server);
    node_close(&node);
}

static int start(void **state)
{
    (void)state;
    setenv("GRPC_VERBOSITY", "NONE", 1); /* a line for each refused handshake */
    softhsm_start();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    federation_enrol(&federation, &bob, "bob", "P-256");
    bob.module = faulty_start();
    faulty_set(SIGNATURE);
    insider = stranger_make(&federation);
    member_context = tls_peer_context_kept(&insider);
    outsider = (struct tls_peer){ .root = insider.root };
    neighbour = node_process_start(&alice, "{}", POLLERS);
    grpc_init();
    pulse_start();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    pulse_stop();
    node_process_stop(neighbour);
    SSL_CTX_free(member_context);
    stranger_free(&insider);
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
        cmocka_unit_test(calls_go_straight_into_the_module),
        cmocka_unit_test(calls_have_a_deadline),
        cmocka_unit_test(members_alone_cost_nothing),
    };
    return cmocka_run_group_tests_name("fault_strangers", tests, start, stop);
}
