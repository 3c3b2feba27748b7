/* SPDX-License-Identifier: Apache-2.0
 * other_core_host CONFIG: a host that carries a gRPC core of its own, linked in statically, and
 * asks the plugin for credentials. Prints "<status> <text>" for each; a crash here is what the
 * check of grpc_version prevents. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include <grpc/grpc.h>

#include "nodekey/plugin.h"

int main(int argc, char **argv)
{
    void *module = dlopen(getenv("NODEKEY_MODULE"), RTLD_NOW | RTLD_LOCAL);
    nk_entry_fn entry = NULL;
    if (module != NULL) {
        *(void **)&entry = dlsym(module, NK_ENTRY_SYMBOL);
    }
    if (argc != 2 || entry == NULL) {
        return 2;
    }
    grpc_init();
    const nk_plugin *plugin = entry();
    nk_host host = { .struct_size = sizeof(host), .grpc_version = grpc_version_string };
    nk_error err = { .struct_size = sizeof(err) };
    nk_instance *instance = NULL;
    struct grpc_server_credentials *server = NULL;
    struct grpc_channel_credentials *channel = NULL;
    if (plugin->open_file(&host, argv[1], &instance, &err) == NK_OK) {
        plugin->server_credentials(instance, &server, &err);
        printf("server %d %s\n", (int)err.status, err.text);
        err.status = NK_OK;
        plugin->channel_credentials(instance, &channel, &err);
        printf("channel %d %s\n", (int)err.status, err.text);
        plugin->close(instance, NULL);
    } else {
        printf("open %d %s\n", (int)err.status, err.text);
    }
    grpc_shutdown();
    return server == NULL && channel == NULL ? 0 : 1;
}
