/* SPDX-License-Identifier: Apache-2.0
 * check_node CONFIG: a node that calls itself, as another of the same set-up would. Ends with a
 * word of check_node.h; what was in the way is on stderr. A hang is SIGALRM. */
#include <stdio.h>
#include <unistd.h>

#include "cli/check_node.h"
#include "fixtures/plugin_host.h"
#include "fixtures/wire/rpc.h"

#define HUNG_S 60
#define THREADS 2

static void need(bool holds, enum check_node_end otherwise, const char *why)
{
    if (!holds) {
        fprintf(stderr, "%s\n", why);
        _exit(otherwise);
    }
}

int main(int argc, char **argv)
{
    nk_error err = { .struct_size = sizeof(err) };
    grpc_server_credentials *server = NULL;
    grpc_channel_credentials *channel = NULL;
    nk_instance *instance = NULL;

    need(argc == 2, CHECK_NODE_SHUT, "usage: check_node CONFIG");
    alarm(HUNG_S);
    grpc_init();
    const nk_plugin *plugin = plugin_load();
    const nk_host host = recording_host(recorder_new());
    nk_status status = plugin->open_file(&host, argv[1], &instance, &err);
    need(status == NK_OK, CHECK_NODE_SHUT, err.text);
    need(plugin->server_credentials(instance, &server, &err) == NK_OK, CHECK_NODE_SHUT, err.text);
    need(plugin->channel_credentials(instance, &channel, &err) == NK_OK, CHECK_NODE_SHUT, err.text);
    struct rpc_server *serving = rpc_server_start(server, THREADS, NULL, NULL);
    struct rpc_result result = rpc_dial(channel, rpc_server_address(serving), RPC_DEADLINE_MS);
    /* Its private folder goes with it. */
    need(plugin->close(instance, &err) == NK_OK, CHECK_NODE_SHUT, err.text);
    need(result.ok, CHECK_NODE_REFUSED, result.details);
    _exit(CHECK_NODE_TALKED);
}
