/* SPDX-License-Identifier: Apache-2.0
 * Two federations in one process do not see each other's peers. */
#include <stdlib.h>
#include <string.h>

#include "fixtures/check.h"
#include "fixtures/federation.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"
#include "fixtures/wire/tls_peer.h"

static struct federation alpha, beta;
static struct member alice, carol;
static struct node alice_node, carol_node;
static struct rpc_server *alice_server, *carol_server;

static int start(void **state)
{
    (void)state;
    softhsm_start();
    grpc_init();
    federation_make(&alpha, "alpha.example");
    federation_make(&beta, "beta.example");
    federation_enrol(&alpha, &alice, "alice", "P-256");
    federation_enrol(&beta, &carol, "carol", "P-256");
    /* Only the roots keep them apart: both admit every certificate that chains to theirs. */
    node_open(&alice_node, &alice, "{\"admit\": \"all-certified\"}");
    node_open(&carol_node, &carol, "{\"admit\": \"all-certified\"}");
    alice_server = rpc_server_start(alice_node.server, 2, NULL, NULL);
    carol_server = rpc_server_start(carol_node.server, 2, NULL, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    rpc_server_stop(alice_server);
    rpc_server_stop(carol_server);
    node_close(&alice_node);
    node_close(&carol_node);
    member_free(&alice);
    member_free(&carol);
    federation_free(&alpha);
    federation_free(&beta);
    rpc_shutdown();
    return 0;
}

static void each_reaches_its_own(void **state)
{
    (void)state;
    assert_true(rpc_dial(alice_node.channel, rpc_server_address(alice_server), RPC_DEADLINE_MS).ok);
    assert_true(rpc_dial(carol_node.channel, rpc_server_address(carol_server), RPC_DEADLINE_MS).ok);
}

static void none_reaches_the_other(void **state)
{
    (void)state;
    size_t runs = rpc_server_runs(alice_server) + rpc_server_runs(carol_server);
    assert_false(
        rpc_dial(alice_node.channel, rpc_server_address(carol_server), RPC_DEADLINE_MS).ok);
    assert_false(
        rpc_dial(carol_node.channel, rpc_server_address(alice_server), RPC_DEADLINE_MS).ok);
    assert_int_equal(rpc_server_runs(alice_server) + rpc_server_runs(carol_server), runs);
    assert_true(recorder_has(alice_node.log, "refused outbound peer"));
    assert_true(recorder_has(carol_node.log, "refused outbound peer"));
}

/* The dialling side refuses first above; a stranger of the other federation dials on. */
static void a_member_of_one_is_a_stranger_to_the_other(void **state)
{
    (void)state;
    struct certificate_spec spec = member_spec(&beta, "eve");
    struct tls_peer eve = { .key = software_key("P-256") };
    eve.certificate = authority_issue(&beta.intermediate, eve.key, &spec);
    eve.issuers[0] = beta.intermediate.certificate;
    recorder_clear(alice_node.log);
    recorder_clear(carol_node.log);
    assert_true(tls_peer_dial(&eve, rpc_server_port(carol_server)).accepted);
    assert_false(tls_peer_dial(&eve, rpc_server_port(alice_server)).accepted);
    assert_true(recorder_has(alice_node.log, ": untrusted: "));
    assert_false(recorder_has(carol_node.log, "refused inbound peer"));
    X509_free(eve.certificate);
    EVP_PKEY_free(eve.key);
}

static void check_peer_tells_them_apart(void **state)
{
    (void)state;
    const nk_plugin *plugin = plugin_load();
    char *pem = pem_of(alice.leaf, alpha.intermediate.certificate, NULL);
    nk_instance *const instances[] = { alice_node.instance, carol_node.instance };
    const uint32_t decisions[] = { NK_ALLOW, NK_DENY };
    for (size_t i = 0; i < 2; i++) {
        nk_verdict verdict = { .struct_size = sizeof(verdict) };
        nk_error err = { .struct_size = sizeof(err) };
        assert_int_equal(plugin->check_peer(instances[i], NK_PEER_IS_CLIENT, NULL, pem, strlen(pem),
                                            &verdict, NULL, &err),
                         NK_OK);
        assert_int_equal(verdict.decision, decisions[i]);
    }
    free(pem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_reaches_its_own),
        cmocka_unit_test(none_reaches_the_other),
        cmocka_unit_test(a_member_of_one_is_a_stranger_to_the_other),
        cmocka_unit_test(check_peer_tells_them_apart),
        cmocka_unit_test(each_reaches_its_own), /* still */
    };
    return cmocka_run_group_tests_name("federations", tests, start, stop);
}
