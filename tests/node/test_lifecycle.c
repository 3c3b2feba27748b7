/* SPDX-License-Identifier: Apache-2.0
 * Sessions, logins and descriptors over an instance's life; and a token that was away costs only
 * the handshakes of that time. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "fixtures/check.h"
#include "fixtures/faulty/faulty_rig.h"
#include "fixtures/federation.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"
#include "fixtures/wire/tls_peer.h"

#define ROUNDS 20
#define DESCRIPTORS_MAX 1024
#define HUNG_MS 5000 /* whatever takes that long here, hangs */

static struct federation federation;
static struct member alice, bob;
static struct tls_peer stranger; /* a good member whose key is in memory */

static int start(void **state)
{
    (void)state;
    softhsm_start();
    grpc_init();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "RSA-2048");
    federation_enrol(&federation, &bob, "bob", "P-256");
    alice.module = bob.module = faulty_start();
    stranger = stranger_make(&federation);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    member_free(&alice);
    member_free(&bob);
    stranger_free(&stranger);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

/* Away from before the port is added and the channel first dials, until after both were tried. */
static void a_token_that_was_away_is_used_again(void **state)
{
    (void)state;
    struct node node;
    node_open(&node, &alice, "{}");
    softhsm_unplug();
    struct rpc_server *server = rpc_server_start(node.server, 2, NULL, NULL);
    struct tls_listener *listener = tls_peer_listen(&stranger);
    grpc_channel *to_server = rpc_channel(node.channel, rpc_server_address(server));
    grpc_channel *to_stranger = rpc_channel(node.channel, tls_listener_address(listener));

    long long before = clock_now_ms();
    assert_false(tls_peer_dial(&stranger, rpc_server_port(server)).accepted);
    assert_false(rpc_call(to_stranger, RPC_DEADLINE_MS).ok);
    assert_false(rpc_call(to_server, RPC_DEADLINE_MS).ok);
    assert_int_equal(tls_listener_accepted(listener), 0);
    assert_int_equal(rpc_server_runs(server), 0);
    assert_true(clock_now_ms() - before < 2 * HUNG_MS);

    softhsm_replug();
    struct tls_result next = tls_peer_dial(&stranger, rpc_server_port(server));
    if (!next.accepted) {
        fail_msg("the next handshake as server failed: %s", next.why);
    }
    assert_true(rpc_call_when_ready(to_server, RPC_DEADLINE_MS).ok); /* both roles are ours */
    rpc_call_when_ready(to_stranger, HUNG_MS / 10); /* the stranger hangs up after the preface */
    assert_true(tls_listener_accepted(listener) > 0);
    grpc_channel_destroy(to_server);
    grpc_channel_destroy(to_stranger);
    tls_listener_stop(listener);
    rpc_server_stop(server);
    node_close(&node);
}

static void a_token_that_was_away_between_two_calls_is_used_again(void **state)
{
    (void)state;
    struct node node;
    node_open(&node, &alice, "{}");
    struct rpc_server *server = rpc_server_start(node.server, 2, NULL, NULL);
    assert_true(rpc_dial(node.channel, rpc_server_address(server), RPC_DEADLINE_MS).ok);
    softhsm_unplug();
    softhsm_replug();
    assert_true(rpc_dial(node.channel, rpc_server_address(server), RPC_DEADLINE_MS).ok);
    assert_int_equal(rpc_server_runs(server), 2);
    rpc_server_stop(server);
    node_close(&node);
}

/* Without /proc, which a container may refuse to a tree. */
static size_t open_descriptors(void)
{
    size_t count = 0;
    for (int i = 0; i < DESCRIPTORS_MAX; i++) {
        count += fcntl(i, F_GETFD) != -1 ? 1 : 0;
    }
    return count;
}

static void one_round(void)
{
    struct node node;
    node_open(&node, &bob, "{}");
    struct rpc_server *server = rpc_server_start(node.server, 2, NULL, NULL);
    assert_true(rpc_dial(node.channel, rpc_server_address(server), RPC_DEADLINE_MS).ok);
    rpc_server_stop(server);
    node_close(&node);
}

static void twenty_rounds_leave_nothing_behind(void **state)
{
    (void)state;
    one_round();
    const struct faulty_counters *count = faulty_count();
    size_t descriptors = open_descriptors();
    unsigned long sessions = count->open_session - count->close_session;
    unsigned long logins = count->login - count->logout;
    for (int i = 1; i < ROUNDS; i++) {
        one_round();
        assert_int_equal(count->open_session - count->close_session, sessions);
        assert_int_equal(count->login - count->logout, logins);
    }
    long long before = clock_now_ms(); /* gRPC closes its last socket on a thread of its own */
    while (open_descriptors() > descriptors && clock_now_ms() - before < HUNG_MS) {
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    assert_true(open_descriptors() <= descriptors);
    assert_int_equal(count->session_shared, 0);
}

/* The last instance on a token logs out; an earlier one must not. */
static void instances_share_a_login(void **state)
{
    (void)state;
    struct node first, second;
    node_open(&first, &alice, "{}");
    unsigned long logins = faulty_count()->login;
    unsigned long logouts = faulty_count()->logout;
    node_open(&second, &alice, "{}");
    assert_int_equal(faulty_count()->login, logins);
    node_close(&first);
    assert_int_equal(faulty_count()->logout, logouts);
    struct rpc_server *server = rpc_server_start(second.server, 2, NULL, NULL);
    assert_true(rpc_dial(second.channel, rpc_server_address(server), RPC_DEADLINE_MS).ok);
    rpc_server_stop(server);
    node_close(&second);
    assert_int_equal(faulty_count()->logout, logouts + 1);
}

/* What a token may do at any moment: one session fails, the handshake does not. */
static void a_session_that_died_costs_nothing(void **state)
{
    (void)state;
    struct node node;
    node_open(&node, &bob, "{}");
    struct rpc_server *server = rpc_server_start(node.server, 2, NULL, NULL);
    faulty_set("sign_init_error=0xb3\nsign_init_error_at=1\n"); /* CKR_SESSION_HANDLE_INVALID */
    assert_true(rpc_dial(node.channel, rpc_server_address(server), RPC_DEADLINE_MS).ok);
    faulty_set("");
    rpc_server_stop(server);
    node_close(&node);
}

/* gRPC's threads are not in the child: close there must wait for none of them. */
static void a_forked_child_may_close(void **state)
{
    (void)state;
    struct node node;
    node_open(&node, &alice, "{}");
    struct rpc_server *server = rpc_server_start(node.server, 2, NULL, NULL);
    assert_true(rpc_dial(node.channel, rpc_server_address(server), RPC_DEADLINE_MS).ok);
    pid_t child = fork();
    if (child == 0) {
        alarm(HUNG_MS / 1000);
        _exit(plugin_load()->close(node.instance, NULL) == NK_OK ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(rpc_dial(node.channel, rpc_server_address(server), RPC_DEADLINE_MS).ok);
    rpc_server_stop(server);
    node_close(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_forked_child_may_close),
        cmocka_unit_test(a_token_that_was_away_is_used_again),
        cmocka_unit_test(a_token_that_was_away_between_two_calls_is_used_again),
        cmocka_unit_test(twenty_rounds_leave_nothing_behind),
        cmocka_unit_test(instances_share_a_login),
        cmocka_unit_test(a_session_that_died_costs_nothing),
    };
    return cmocka_run_group_tests_name("lifecycle", tests, start, stop);
}
