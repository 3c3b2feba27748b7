/* SPDX-License-Identifier: Apache-2.0
 * Certificates as P2PFL's own script makes them: one subject for the CA and every leaf, so that
 * leaves look self-issued, no extended key usage, no key identifiers, a CA flag that is not
 * critical. They work when "strict" is false, with a warning; the default refuses them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "fixtures/check.h"
#include "fixtures/federation.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"
#include "fixtures/wire/tls_peer.h"

#define P2PFL_SUBJECT "My CA"
#define LENIENT                                                                                    \
    "{\"federation\": {\"roots\": [\"my-ca.pem\"], \"strict\": false},"                            \
    " \"server\": {\"certificate\": \"server.pem\"}, \"client\": {\"certificate\": "               \
    "\"client.pem\"},"                                                                             \
    " \"admit\": \"all-certified\"}"
#define DEFAULT                                                                                    \
    "{\"federation\": {\"roots\": [\"my-ca.pem\"]}, \"node\": {\"certificate\": \"server.pem\"},"  \
    " \"admit\": \"all-certified\"}"
#define OWN_IS_FINE                                                                                \
    "{\"federation\": {\"roots\": [\"ca.pem\", \"my-ca.pem\"]}, \"admit\": \"all-certified\"}"

static struct federation federation; /* the folder, and good certificates to compare with */
static struct authority my_ca;
static struct member alice;
static struct tls_peer peer; /* a P2PFL node: gRPC and OpenSSL over files */

static const struct certificate_spec ca_spec = {
    .basic_constraints = "CA:TRUE", .key_usage = "", .eku = "", .bare = true
};
static const struct certificate_spec leaf_spec = { .cn = P2PFL_SUBJECT,
                                                   .san = "IP:127.0.0.1,IP:::1",
                                                   .basic_constraints = "",
                                                   .key_usage = "",
                                                   .eku = "",
                                                   .bare = true };

static void save(const char *file, X509 *certificate)
{
    char *pem = pem_of(certificate, NULL);
    write_file(path_of("%s/%s", federation.folder, file), pem, 0644);
    free(pem);
}

static void save_leaf(const char *file, EVP_PKEY *key)
{
    X509 *leaf = authority_issue(&my_ca, key, &leaf_spec);
    save(file, leaf);
    X509_free(leaf);
}

static int start(void **state)
{
    (void)state;
    softhsm_start();
    grpc_init();
    federation_make(&federation, "p2pfl");
    federation_enrol(&federation, &alice, "alice", "RSA-2048");
    my_ca = authority_make(NULL, P2PFL_SUBJECT, &ca_spec);
    save("my-ca.pem", my_ca.certificate);
    EVP_PKEY *key = softhsm_public_key("alice", "identity", "01");
    save_leaf("server.pem", key);
    save_leaf("client.pem", key);
    EVP_PKEY_free(key);
    peer.key = software_key("RSA-2048");
    peer.certificate = authority_issue(&my_ca, peer.key, &leaf_spec);
    peer.root = my_ca.certificate;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    X509_free(peer.certificate);
    EVP_PKEY_free(peer.key);
    member_free(&alice);
    authority_free(&my_ca);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

static struct tls_result called_by_node(const struct node *node)
{
    struct tls_listener *listener = tls_peer_listen(&peer);
    rpc_dial(node->channel, tls_listener_address(listener), RPC_DEADLINE_MS);
    struct tls_result result = tls_listener_wait(listener);
    tls_listener_stop(listener);
    return result;
}

static void they_work_when_strict_is_false(void **state)
{
    (void)state;
    struct node node;
    node_open(&node, &alice, LENIENT);
    struct rpc_server *server = rpc_server_start(node.server, 2, NULL, NULL);
    assert_true(rpc_dial(node.channel, rpc_server_address(server), RPC_DEADLINE_MS).ok);
    assert_true(tls_peer_dial(&peer, rpc_server_port(server)).accepted);
    assert_true(called_by_node(&node).accepted);
    rpc_server_stop(server);
    node_close(&node);
}

static void open_warns_what_that_costs(void **state)
{
    (void)state;
    struct node node;
    node_open(&node, &alice, LENIENT);
    char *log = recorder_copy(node.log);
    print_message("%s", log);
    assert_non_null(strstr(log, "warning: "));
    assert_non_null(strstr(log, "strict"));
    /* any member's client certificate serves as any server's */
    assert_non_null(strstr(log, "extendedKeyUsage"));
    free(log);
    node_close(&node);
}

static char *read_example(void)
{
    char *text = NULL;
    size_t room = 0;
    FILE *file = fopen(P2PFL_JSON, "r");
    assert_non_null(file);
    ssize_t len = getdelim(&text, &room, '\0', file);
    assert_true(len > 0);
    fclose(file);
    return text;
}

/* The files and objects that examples/p2pfl.json names: a key and a certificate for each role. */
static void make_what_the_example_names(void)
{
    static const char *const roles[] = { "server", "client" };
    softhsm_token("p2pfl");
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        softhsm_generate("p2pfl", "RSA-2048", roles[i], path_of("0%zu", i + 1));
        EVP_PKEY *key = softhsm_public_key("p2pfl", roles[i], path_of("0%zu", i + 1));
        save_leaf(path_of("%s.crt", roles[i]), key);
        EVP_PKEY_free(key);
    }
    save("ca.crt", my_ca.certificate);
    write_file(path_of("%s/p2pfl.pin", federation.folder), SOFTHSM_PIN "\n", 0600);
}

static void the_example_configuration_works(void **state)
{
    (void)state;
    const nk_plugin *plugin = plugin_load();
    nk_error err = { .struct_size = sizeof(err) };
    struct node node;
    make_what_the_example_names();
    node_prepare(&node);
    char *config = read_example();
    nk_status status =
        plugin->open_text(&node.host, config, federation.folder, &node.instance, &err);
    if (status != NK_OK) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(plugin->server_credentials(node.instance, &node.server, &err), NK_OK);
    assert_int_equal(plugin->channel_credentials(node.instance, &node.channel, &err), NK_OK);
    struct rpc_server *server = rpc_server_start(node.server, 2, NULL, NULL);
    assert_true(rpc_dial(node.channel, rpc_server_address(server), RPC_DEADLINE_MS).ok);
    assert_true(tls_peer_dial(&peer, rpc_server_port(server)).accepted);
    assert_true(called_by_node(&node).accepted);
    assert_true(recorder_has(node.log, "any member's client certificate serves as any server's"));
    rpc_server_stop(server);
    node_close(&node);
    free(config);
}

static void the_default_refuses_our_own(void **state)
{
    (void)state;
    nk_host host = recording_host(recorder_new());
    nk_error err = { .struct_size = sizeof(err) };
    nk_instance *instance = NULL;
    char *config = member_config(&alice, DEFAULT);
    nk_status status = plugin_load()->open_text(&host, config, federation.folder, &instance, &err);
    print_message("    %d %s\n", (int)status, err.text);
    assert_true(status == NK_E_IDENTITY || status == NK_E_TRUST);
    assert_null(instance);
    free(config);
}

static void the_default_refuses_a_peers(void **state)
{
    (void)state;
    struct node node;
    node_open(&node, &alice, OWN_IS_FINE);
    struct rpc_server *server = rpc_server_start(node.server, 2, NULL, NULL);
    struct tls_peer trusting = peer;
    trusting.root = NULL; /* it takes our certificate, so that only ours decides */
    assert_false(tls_peer_dial(&trusting, rpc_server_port(server)).accepted);
    assert_true(recorder_has(node.log, "refused inbound peer"));
    struct tls_peer saved = peer;
    peer = trusting;
    assert_false(called_by_node(&node).accepted);
    peer = saved;
    assert_true(recorder_has(node.log, "refused outbound peer"));
    assert_int_equal(rpc_server_runs(server), 0);
    rpc_server_stop(server);
    node_close(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_work_when_strict_is_false),
        cmocka_unit_test(open_warns_what_that_costs),
        cmocka_unit_test(the_example_configuration_works),
        cmocka_unit_test(the_default_refuses_our_own),
        cmocka_unit_test(the_default_refuses_a_peers),
    };
    return cmocka_run_group_tests_name("p2pfl", tests, start, stop);
}
