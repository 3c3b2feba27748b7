/* SPDX-License-Identifier: Apache-2.0 */
#include "node_plugin.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include <grpc/grpc.h>

#include "node.h"

static void print_log(void *host_data, int32_t level, const char *line)
{
    static const char *const names[] = { "error", "warning", "info", "debug" };
    (void)host_data;
    bool known = level >= NK_LOG_ERROR && level <= NK_LOG_DEBUG;
    fprintf(stderr, "nodekey: %s: %s\n", known ? names[level] : "note", line);
}

/* NULL: the reason is on stderr. One absolute path, no search and no fallback: what holds our
 * identity is not a matter of LD_LIBRARY_PATH. */
static const nk_plugin *load(const char *path)
{
    if (path[0] != '/') {
        complain("%s: give the plugin's absolute path", path);
        return NULL;
    }
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        complain("cannot load the plugin: %s", dlerror());
        return NULL;
    }
    nk_entry_fn entry = NULL;
    void *symbol = dlsym(library, NK_ENTRY_SYMBOL);
    memcpy(&entry, &symbol, sizeof(entry)); /* ISO C has no cast from void * to a function */
    const nk_plugin *table = entry != NULL ? entry() : NULL;
    if (table == NULL) {
        complain("%s: has no %s: not nodekey, or of another ABI", path, NK_ENTRY_SYMBOL);
        return NULL;
    }
    /* Within major 0 another minor may break, too. */
    if (table->abi_major != NK_ABI_MAJOR || table->abi_minor != NK_ABI_MINOR) {
        complain("%s: speaks ABI %u.%u, this program %u.%u", path, table->abi_major,
                 table->abi_minor, NK_ABI_MAJOR, NK_ABI_MINOR);
        return NULL;
    }
    if (!NK_HAS(nk_plugin, table, check_claim)) {
        complain("%s: its table of %u bytes is too short", path, table->struct_size);
        return NULL;
    }
    return table;
}

nk_status plugin_open(struct plugin *plugin, const char *path, const char *config_path)
{
    static const nk_host host = {
        .struct_size = sizeof(host),
        .grpc_version = grpc_version_string,
        .log = print_log,
    };
    memset(plugin, 0, sizeof(*plugin));
    plugin->table = load(path);
    if (plugin->table == NULL) {
        return NK_E_CONFIG;
    }
    nk_error err = { .struct_size = sizeof(err) };
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
