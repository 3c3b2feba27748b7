/* SPDX-License-Identifier: Apache-2.0 */
#include "tokens/token_node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixtures/check.h"
#include "fixtures/process.h"

#define POLLERS 2
#define STANDING_CALLS 20

static void tell_log(struct token_node *it)
{
    char *log = recorder_copy(it->node.log);
    print_error("%s", log);
    free(log);
}

void token_node_start(struct token_node *it, const char *config_path)
{
    const nk_plugin *plugin = plugin_load();
    nk_error err = { .struct_size = sizeof(err) };

    node_prepare(&it->node);
    if (plugin->open_file(&it->node.host, config_path, &it->node.instance, &err) != NK_OK ||
        plugin->server_credentials(it->node.instance, &it->node.server, &err) != NK_OK ||
        plugin->channel_credentials(it->node.instance, &it->node.channel, &err) != NK_OK) {
        fail_msg("%s: %s", config_path, err.text);
    }
    it->server = rpc_server_start(it->node.server, POLLERS, NULL, NULL);
    it->standing = rpc_channel(it->node.channel, rpc_server_address(it->server));
    struct rpc_result result = rpc_call_when_ready(it->standing, TOKEN_PATIENCE_MS);
    if (!result.ok) {
        tell_log(it);
        fail_msg("%s: the call ended with %d: %s", config_path, result.status, result.details);
    }
}

void token_node_stop(struct token_node *it)
{
    grpc_channel_destroy(it->standing);
    rpc_server_stop(it->server);
    node_close(&it->node);
}

nk_status token_node_refused(const char *config_path, nk_error *err)
{
    nk_host host = recording_host(recorder_new());
    nk_instance *instance = NULL;

    *err = (nk_error){ .struct_size = sizeof(*err) };
    nk_status status = plugin_load()->open_file(&host, config_path, &instance, err);
    if (status == NK_OK) {
        fail_msg("%s: opens", config_path);
    }
    print_message("refused: %s\n", err->text);
    return status;
}

struct rpc_result token_node_dial(struct token_node *it)
{
    return rpc_dial(it->node.channel, rpc_server_address(it->server), TOKEN_PATIENCE_MS);
}

void token_node_must_dial(struct token_node *it)
{
    struct rpc_result result = token_node_dial(it);
    if (!result.ok) {
        tell_log(it);
        fail_msg("the call ended with %d: %s", result.status, result.details);
    }
}

void token_node_must_not_dial(struct token_node *it, const char *why)
{
    if (token_node_dial(it).ok) {
        fail_msg("a connection came about");
    }
    if (!recorder_waits_for(it->node.log, why, TOKEN_PATIENCE_MS)) {
        tell_log(it);
        fail_msg("the log does not say \"%s\"", why);
    }
}

void token_node_must_stand(struct token_node *it)
{
    for (int i = 0; i < STANDING_CALLS; i++) {
        struct rpc_result result = rpc_call(it->standing, TOKEN_PATIENCE_MS);
        if (!result.ok) {
            fail_msg("the standing connection: %d: %s", result.status, result.details);
        }
    }
}

char *token_tells(const char *program)
{
    const char *const argv[] = { path_of("./%s", program), NULL };
    const struct process process = { .argv = argv, .with_stderr = true };

    struct process_end end = process_run(&process);
    if (end.status != 0) {
        fprintf(stderr, "%s ended with status 0x%x: %s\n", program, end.status, end.out);
        abort();
    }
    return end.out;
}

void token_do(const char *program)
{
    free(token_tells(program));
}

int token_node_end(int failed)
{
    if (!rpc_shuts_down()) {
        fflush(stdout);
        _exit(failed);
    }
    return failed;
}
