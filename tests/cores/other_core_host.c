/* SPDX-License-Identifier: Apache-2.0
 * other_core_host CONFIG: a host that carries a gRPC core of its own, linked in statically, and
 * does not say where its functions are. Prints "open STATUS TEXT". */
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
    nk_status status = plugin->open_file(&host, argv[1], &instance, &err);
    printf("open %d %s\n", (int)status, err.text);
    grpc_shutdown();
    return status != NK_OK ? 0 : 1;
}
