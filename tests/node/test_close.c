/* SPDX-License-Identifier: Apache-2.0
 * After close nobody new is let in by any road, and nothing hangs; and only the host closes. */
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "fixtures/check.h"
#include "fixtures/federation.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"
#include "fixtures/wire/tls_peer.h"

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

static void after_close_new_handshakes_are_refused(void **state)
{
    (void)state;
    struct node alice_node, bob_node;
    node_open(&alice_node, &alice, "{}");
    node_open(&bob_node, &bob, "{}");
    struct rpc_server *server = rpc_server_start(alice_node.server, 2, NULL, NULL);
    struct rpc_server *other = rpc_server_start(bob_node.server, 2, NULL, NULL);
    assert_true(rpc_dial(bob_node.channel, rpc_server_address(server), RPC_DEADLINE_MS).ok);
    assert_true(rpc_dial(alice_node.channel, rpc_server_address(other), RPC_DEADLINE_MS).ok);

    long long before = clock_now_ms();
    assert_int_equal(plugin_load()->close(alice_node.instance, NULL), NK_OK);
    alice_node.instance = NULL;
    /* as server, towards a node and towards a peer of another make; as client */
    assert_false(rpc_dial(bob_node.channel, rpc_server_address(server), RPC_DEADLINE_MS).ok);
    assert_false(tls_peer_dial(&stranger, rpc_server_port(server)).accepted);
    assert_false(rpc_dial(alice_node.channel, rpc_server_address(other), RPC_DEADLINE_MS).ok);
    assert_true(clock_now_ms() - before < HUNG_MS);
    assert_int_equal(rpc_server_runs(server), 1);
    assert_int_equal(rpc_server_runs(other), 1);
    rpc_server_stop(server);
    rpc_server_stop(other);
    node_close(&alice_node); /* releases what is left: the credentials */
    node_close(&bob_node);
}

/* A resumed handshake needs no signature, so here only the judgement refuses. */
static void after_close_resumed_handshakes_are_refused(void **state)
{
    (void)state;
    struct node node;
    struct tls_peer returning = stranger;
    SSL_SESSION *session = NULL;
    returning.session = &session;
    node_open(&node, &alice, "{}");
    struct rpc_server *server = rpc_server_start(node.server, 2, NULL, NULL);
    struct tls_result first = tls_peer_dial(&returning, rpc_server_port(server));
    assert_true(first.accepted);
    assert_false(first.resumed);
    struct tls_result second = tls_peer_dial(&returning, rpc_server_port(server));
    assert_true(second.accepted);
    assert_true(second.resumed);
    assert_int_equal(plugin_load()->close(node.instance, NULL), NK_OK);
    node.instance = NULL;
    struct tls_result third = tls_peer_dial(&returning, rpc_server_port(server));
    assert_false(third.accepted);
    assert_true(third.resumed);
    assert_true(recorder_waits_for(node.log, ": closed: ", HUNG_MS));
    assert_int_equal(rpc_server_runs(server), 2);
    SSL_SESSION_free(session);
    rpc_server_stop(server);
    node_close(&node);
}

static struct {
    nk_instance *instance; /* what the callbacks try to close */
    atomic_int refused;
    atomic_int answered;
} victim;

static void try_to_close(void)
{
    if (victim.instance != NULL) {
        victim.refused += plugin_load()->close(victim.instance, NULL) == NK_E_USAGE ? 1 : 0;
        victim.answered++;
    }
}

static nk_status close_in_verify(void *host_data, const nk_peer *peer, nk_verdict *verdict)
{
    (void)host_data;
    (void)peer;
    try_to_close();
    verdict->decision = NK_ALLOW;
    return NK_OK;
}

static void close_in_log(void *host_data, int32_t level, const char *line)
{
    (void)host_data;
    (void)level;
    (void)line;
    try_to_close();
}

static void a_callback_cannot_close(void **state)
{
    (void)state;
    struct node node;
    node_prepare(&node);
    node.host.verify_peer = close_in_verify;
    node.host.log = close_in_log;
    node_open_with(&node, &alice, "{}");
    struct rpc_server *server = rpc_server_start(node.server, 2, NULL, NULL);
    victim.instance = node.instance;
    assert_true(rpc_dial(node.channel, rpc_server_address(server), RPC_DEADLINE_MS).ok);
    int after_verify = victim.answered;
    assert_true(after_verify >= 2); /* once for each side */
    struct tls_peer nobody = { .key = stranger.key };
    nobody.certificate = authority_issue(NULL, nobody.key, NULL);
    assert_false(tls_peer_dial(&nobody, rpc_server_port(server)).accepted);
    assert_true(victim.answered > after_verify); /* the refusal was logged */
    assert_int_equal(victim.refused, victim.answered);
    victim.instance = NULL;
    X509_free(nobody.certificate);
    rpc_server_stop(server);
    node_close(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_close_new_handshakes_are_refused),
        cmocka_unit_test(after_close_resumed_handshakes_are_refused),
        cmocka_unit_test(a_callback_cannot_close),
    };
    return cmocka_run_group_tests_name("close", tests, start, stop);
}
