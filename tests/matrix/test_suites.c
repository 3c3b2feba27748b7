/* SPDX-License-Identifier: Apache-2.0
 * $GRPC_SSL_CIPHER_SUITES, as ctest sets it, has suites of TLS 1.2 for RSA keys alone: nodes with
 * EC keys speak TLS 1.3 only. A program of its own, since gRPC reads it once. */
#include "fixtures/check.h"
#include "fixtures/federation.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"
#include "fixtures/wire/tls_peer.h"

static struct federation federation;
static struct member alice;
static struct tls_peer peer;
static struct node node;
static struct rpc_server *server;

static int start(void **state)
{
    (void)state;
    softhsm_start();
    grpc_init();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    peer = stranger_make(&federation);
    node_open(&node, &alice, "{}");
    server = rpc_server_start(node.server, 2, NULL, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    rpc_server_stop(server);
    node_close(&node);
    stranger_free(&peer);
    member_free(&alice);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

static struct tls_result dial(int version)
{
    struct tls_peer one = peer;
    one.version = version;
    return tls_peer_dial(&one, rpc_server_port(server));
}

static void tls_1_2_is_not_spoken(void **state)
{
    (void)state;
    assert_int_equal(dial(TLS1_2_VERSION).version, 0);
    assert_int_equal(rpc_server_runs(server), 0);
}

static void tls_1_3_is(void **state)
{
    (void)state;
    struct tls_result result = dial(TLS1_3_VERSION);
    if (!result.accepted) {
        fail_msg("%s", result.why);
    }
    assert_int_equal(result.version, TLS1_3_VERSION);
}

static void nodes_reach_each_other(void **state)
{
    (void)state;
    assert_true(rpc_dial(node.channel, rpc_server_address(server), RPC_DEADLINE_MS).ok);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls_1_2_is_not_spoken),
        cmocka_unit_test(tls_1_3_is),
        cmocka_unit_test(nodes_reach_each_other),
    };
    return cmocka_run_group_tests_name("suites", tests, start, stop);
}
