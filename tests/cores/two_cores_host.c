/* SPDX-License-Identifier: Apache-2.0
 * two_cores_host CONFIG LIBGRPC: a node on the core that this program is linked with; then another
 * on that of a library. Prints "other STATUS TEXT" of the second and "first STATUS" of the first's
 * credentials after it. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "nodekey/core.h"
#include "nodekey/load.h"

int main(int argc, char **argv)
{
    nk_error err = { .struct_size = sizeof(err) };
    const nk_plugin *nk = nk_load(getenv("NODEKEY_MODULE"), &err);
    void *library = argc == 3 ? dlopen(argv[2], RTLD_NOW | RTLD_LOCAL) : NULL;
    nk_host host = { .struct_size = sizeof(host),
                     .grpc_version = grpc_version_string,
                     .symbol = nk_core_symbol };
    nk_host other = { .struct_size = sizeof(other) };
    nk_instance *node = NULL;
    nk_instance *second = NULL;
    grpc_server_credentials *credentials = NULL;

    if (nk == NULL || library == NULL) {
        return 2;
    }
    *(void **)&other.grpc_version = dlsym(library, "grpc_version_string");
    grpc_init();
    if (nk->open_file(&host, argv[1], &node, &err) != NK_OK) {
        printf("first: %s\n", err.text);
        return 2;
    }
    printf("other %d", (int)nk->open_file(&other, argv[1], &second, &err));
    printf(" %s\n", err.text);
    printf("first %d\n", (int)nk->server_credentials(node, &credentials, NULL));
    grpc_server_credentials_release(credentials);
    nk->close(node, NULL);
    grpc_shutdown();
    return 0;
}
