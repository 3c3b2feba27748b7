/* SPDX-License-Identifier: Apache-2.0
 * Many peers at once before a host's verify_peer: honest ones are never refused for the crowd, and
 * calls that never come back cost only their own peers. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "fault/figures.h"
#include "fixtures/federation.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"

#define CROWD 64
#define POLLING_THREADS 32
#define AT_ONCE_MAX 8 /* of the ABI, like the next */
#define LEFT_MAX 64
#define PATIENT_MS 8000 /* as sanitizers want it; the hooks ask for 160 ms together */
#define HASTY_MS 1000
#define BRIEF_MS 20
#define WAITING_MS 200
#define AUDIT "crowd.audit"

static struct federation federation;
static struct member alice, bob;
static struct node bob_node; /* calls on a connection of its own meanwhile */
static struct tls_peer stranger;

static struct hook {
    atomic_int takes_ms;
    atomic_int hanging; /* the first so many calls wait for `release` */
    atomic_int calls;
    atomic_int inside;
    atomic_int most; /* inside at once, without those that hang */
    atomic_bool release;
} hook;

static void note_most(int inside)
{
    int most = hook.most;
    while (inside > most && !atomic_compare_exchange_weak(&hook.most, &most, inside)) {
    }
}

static nk_status decide(void *host_data, const nk_peer *peer, nk_verdict *verdict)
{
    (void)host_data, (void)peer;
    if (atomic_fetch_add(&hook.calls, 1) < hook.hanging) {
        while (!hook.release) {
            rest_ms(1);
        }
    } else {
        note_most(atomic_fetch_add(&hook.inside, 1) + 1);
        rest_ms(hook.takes_ms);
        atomic_fetch_sub(&hook.inside, 1);
    }
    verdict->decision = NK_ALLOW;
    return NK_OK;
}

/* The audit has every verdict, where the log has a share of them. */
static void open_hooked(struct node *node, unsigned timeout_ms)
{
    const char *audit = path_of("%s/" AUDIT, scratch_folder());

    (void)unlink(audit);
    node_prepare(node);
    node->host.verify_peer = decide;
    node_open_with(node, &alice,
                   path_of("{\"host\": {\"verify_timeout_ms\": %u}, "
                           "\"audit\": {\"file\": \"%s\", \"per_peer_per_minute\": 1000}}",
                           timeout_ms, audit));
}

static size_t count_audited(const char *text)
{
    return count_lines_with(path_of("%s/" AUDIT, scratch_folder()), text);
}

static void prepare_hook(int takes_ms, int hanging)
{
    hook.takes_ms = takes_ms;
    hook.hanging = hanging;
    hook.calls = 0;
    hook.most = 0;
    hook.release = false;
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    grpc_init();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    federation_enrol(&federation, &bob, "bob", "P-256");
    node_open(&bob_node, &bob, "{}");
    stranger = stranger_make(&federation);
    stranger.patience_s = PATIENT_MS / 500;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    node_close(&bob_node);
    stranger_free(&stranger);
    member_free(&alice);
    member_free(&bob);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

/* --- the crowd --- */

static void *dial(void *arg)
{
    const int *port = arg;
    return tls_peer_dial(&stranger, *port).accepted ? &stranger : NULL;
}

static int dial_all(int port)
{
    pthread_t dials[CROWD];
    int accepted = 0;

    for (size_t i = 0; i < CROWD; i++) {
        assert_int_equal(pthread_create(&dials[i], NULL, dial, &port), 0);
    }
    for (size_t i = 0; i < CROWD; i++) {
        void *ok = NULL;
        pthread_join(dials[i], &ok);
        accepted += ok != NULL ? 1 : 0;
    }
    return accepted;
}

static const struct row {
    const char *name;
    int takes_ms;
} rows[] = {
    { "a crowd before a hook that returns at once", 0 },
    { "a crowd before a hook of 5 ms", 5 },
    { "a crowd before a hook of 20 ms", 20 },
};

static void check_crowd(void **state)
{
    const struct row *row = *state;
    struct node node;

    prepare_hook(row->takes_ms, 0);
    open_hooked(&node, PATIENT_MS);
    struct rpc_server *server = rpc_server_start(node.server, POLLING_THREADS, NULL, NULL);
    assert_int_equal(dial_all(rpc_server_port(server)), CROWD);
    assert_int_equal(count_audited("\"deny\""), 0);
    assert_int_equal(hook.calls, CROWD);
    assert_true(hook.most <= AT_ONCE_MAX);
    rpc_server_stop(server);
    node_close(&node);
}

/* --- beside it, a peer that is connected already --- */

static struct live {
    pthread_t thread;
    grpc_channel *channel;
    atomic_bool enough;
    size_t failed;
    struct figures took;
} live;

static void *call_on(void *unused)
{
    while (!live.enough) {
        double start_ms = now_ms();
        live.failed += rpc_call(live.channel, 2 * PATIENT_MS).ok ? 0 : 1;
        figures_add(&live.took, now_ms() - start_ms);
        rest_ms(2);
    }
    return unused;
}

static void live_start(const char *address)
{
    figures_clear(&live.took);
    live.enough = false;
    live.failed = 0;
    live.channel = rpc_channel(bob_node.channel, address);
    assert_true(rpc_call_when_ready(live.channel, RPC_DEADLINE_MS).ok);
    assert_int_equal(pthread_create(&live.thread, NULL, call_on, NULL), 0);
}

static void live_stop(void)
{
    live.enough = true;
    pthread_join(live.thread, NULL);
    assert_int_equal(live.failed, 0);
    print_message("RPCs on a live connection: %zu, p99 %.1f ms, longest %.1f ms\n", live.took.len,
                  figures_p99(&live.took), live.took.longest);
    grpc_channel_destroy(live.channel);
}

static void eight_that_hang_cost_only_their_peers(void **state)
{
    (void)state;
    struct node node;

    prepare_hook(0, 0);
    open_hooked(&node, HASTY_MS);
    struct rpc_server *server = rpc_server_start(node.server, POLLING_THREADS, NULL, NULL);
    live_start(rpc_server_address(server));
    prepare_hook(0, AT_ONCE_MAX);
    int accepted = dial_all(rpc_server_port(server));
    live_stop();
    print_message("%d of %d admitted\n", accepted, CROWD);
    assert_int_equal(accepted, CROWD - AT_ONCE_MAX);
    assert_int_equal(count_audited("\"hook-late\""), AT_ONCE_MAX);
    assert_int_equal(count_audited("\"deny\""), AT_ONCE_MAX);
    hook.release = true;
    rpc_server_stop(server);
    node_close(&node);
}

static void too_many_left_behind_are_told(void **state)
{
    (void)state;
    struct node node;
    static const char sentence[] = "64 calls of verify_peer have not come back";

    prepare_hook(0, LEFT_MAX);
    open_hooked(&node, BRIEF_MS);
    struct rpc_server *server = rpc_server_start(node.server, POLLING_THREADS, NULL, NULL);
    while (hook.calls < LEFT_MAX) {
        assert_false(tls_peer_dial(&stranger, rpc_server_port(server)).accepted);
    }
    assert_int_equal(count_audited(sentence), 0);
    assert_false(tls_peer_dial(&stranger, rpc_server_port(server)).accepted);
    assert_int_equal(count_audited(sentence), 1);
    assert_int_equal(hook.calls, LEFT_MAX);
    hook.release = true;
    while (!tls_peer_dial(&stranger, rpc_server_port(server)).accepted) {
    }
    rpc_server_stop(server);
    node_close(&node);
    assert_true(recorder_has(node.log, "are not in this log"));
}

static void nobody_is_asked_after_close(void **state)
{
    (void)state;
    struct node node;
    pthread_t dials[2 * AT_ONCE_MAX];

    prepare_hook(0, AT_ONCE_MAX);
    open_hooked(&node, PATIENT_MS);
    struct rpc_server *server = rpc_server_start(node.server, POLLING_THREADS, NULL, NULL);
    int port = rpc_server_port(server);
    for (size_t i = 0; i < ARRAY_LEN(dials); i++) {
        assert_int_equal(pthread_create(&dials[i], NULL, dial, &port), 0);
    }
    while (hook.calls < AT_ONCE_MAX) {
        rest_ms(1);
    }
    rest_ms(WAITING_MS);
    node_close(&node);
    hook.release = true;
    for (size_t i = 0; i < ARRAY_LEN(dials); i++) {
        void *accepted = NULL;
        pthread_join(dials[i], &accepted);
        assert_null(accepted);
    }
    assert_int_equal(hook.calls, AT_ONCE_MAX);
    rpc_server_stop(server);
}

int main(void)
{
    ROWS_OF(rows, check_crowd)
    ROWS_TEST(eight_that_hang_cost_only_their_peers);
    ROWS_TEST(too_many_left_behind_are_told);
    ROWS_TEST(nobody_is_asked_after_close);
    return ROWS_RUN("verify_crowd", start, stop);
}
