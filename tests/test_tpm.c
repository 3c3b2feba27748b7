/* SPDX-License-Identifier: Apache-2.0
 * A node whose key is in a (software) TPM talks to itself: both roles, both signatures on the TPM.
 * tests/tpm.sh starts the TPM and runs the README's commands before. */
#include <grpc/grpc.h>

#include "check.h"
#include "federation.h"
#include "rpc.h"

/* Certificate, key and PIN are where the README's commands put them. */
static const char *config_path;

static void open_node(struct node *node)
{
    const nk_plugin *plugin = plugin_load();
    nk_error err = { .struct_size = sizeof(err) };

    node_prepare(node);
    if (plugin->open_file(&node->host, config_path, &node->instance, &err) != NK_OK ||
        plugin->server_credentials(node->instance, &node->server, &err) != NK_OK ||
        plugin->channel_credentials(node->instance, &node->channel, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
}

static void talks(void **state)
{
    (void)state;
    struct node node;
    open_node(&node);
    assert_true(recorder_has(node.log, "custody: hardware, as the module claims"));
    struct rpc_server *server = rpc_server_start(node.server, 2, NULL, NULL);
    struct rpc_result result = rpc_dial(node.channel, rpc_server_address(server), RPC_DEADLINE_MS);
    if (!result.ok) {
        fail_msg("the call ended with %d: %s", result.status, result.details);
    }
    assert_int_equal(rpc_server_runs(server), 1);
    rpc_server_stop(server);
    node_close(&node);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        print_error("usage: test_tpm CONFIG\n");
        return 2;
    }
    config_path = argv[1];
    const struct CMUnitTest tests[] = { cmocka_unit_test(talks) };
    grpc_init();
    int failed = cmocka_run_group_tests_name("tpm", tests, NULL, NULL);
    rpc_shutdown();
    return failed;
}
