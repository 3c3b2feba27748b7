/* SPDX-License-Identifier: Apache-2.0 */
#include "node_plugin.h"

#include <stdio.h>
#include <string.h>

#include <grpc/grpc.h>

#include "node.h"
#include "nodekey/load.h"
#ifdef GRPC_IS_STATIC /* set it where you link libgrpc.a */
#include "nodekey/core.h"
#endif
#ifdef GRPC_IS_BORINGSSL /* set it where your gRPC is built with that: node_identity.cc */
extern nk_status node_set_identity(void *host_data, const nk_plugin *plugin,
                                   struct grpc_tls_certificate_provider *provider,
                                   nk_signer *signer, const char *chain_pem);
#endif

static void print_log(void *host_data, int32_t level, const char *line)
{
    static const char *const names[] = { "error", "warning", "info", "debug" };
    (void)host_data;
    bool known = level >= NK_LOG_ERROR && level <= NK_LOG_DEBUG;
    fprintf(stderr, "nodekey: %s: %s\n", known ? names[level] : "note", line);
}

nk_status plugin_open(struct plugin *plugin, const char *path, const char *config_path)
{
    static const nk_host host = {
        .struct_size = sizeof(host),
        .grpc_version = grpc_version_string,
        .log = print_log,
#ifdef GRPC_IS_STATIC
        .symbol = nk_core_symbol,
#endif
#ifdef GRPC_IS_BORINGSSL
        .set_identity = node_set_identity,
#endif
    };
    memset(plugin, 0, sizeof(*plugin));
    nk_error err = { .struct_size = sizeof(err) };
    plugin->table = nk_load(path, &err);
    if (plugin->table == NULL) {
        complain("%s", err.text);
        return NK_E_CONFIG;
    }
    nk_status status = plugin->table->open_file(&host, config_path, &plugin->instance, &err);
    if (status == NK_OK) {
        status = plugin->table->server_credentials(plugin->instance, &plugin->server, &err);
    }
    if (status == NK_OK) {
        status = plugin->table->channel_credentials(plugin->instance, &plugin->channel, &err);
    }
    if (status != NK_OK) {
        complain("%s: %s", config_path, err.text);
        plugin_close(plugin);
    }
    return status;
}

void plugin_reload(struct plugin *plugin)
{
    nk_error err = { .struct_size = sizeof(err) };
    if (plugin->table->reload(plugin->instance, &err) == NK_OK) {
        say("reloaded");
    } else {
        complain("reload: %s", err.text);
    }
}

void plugin_close(struct plugin *plugin)
{
    if (plugin->server != NULL) {
        grpc_server_credentials_release(plugin->server);
    }
    if (plugin->channel != NULL) {
        grpc_channel_credentials_release(plugin->channel);
    }
    nk_error err = { .struct_size = sizeof(err) };
    if (plugin->table != NULL && plugin->table->close(plugin->instance, &err) != NK_OK) {
        complain("close: %s", err.text);
    }
    memset(plugin, 0, sizeof(*plugin));
}
