/* SPDX-License-Identifier: Apache-2.0
 * captured_host [LIBRARY]: a program that shows all functions of a library to everyone, as one
 * linked with it does, and opens a node whose file is absent. Prints "open STATUS TEXT". */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "nodekey/load.h"

int main(int argc, char **argv)
{
    nk_error err = { .struct_size = sizeof(err) };
    nk_host host = { .struct_size = sizeof(host) };
    nk_instance *node = NULL;

    if (argc > 1 && dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL) == NULL) {
        return 2;
    }
    const nk_plugin *nk = nk_load(getenv("NODEKEY_MODULE"), &err);
    if (nk == NULL) {
        printf("%s\n", err.text);
        return 2;
    }
    printf("open %d", (int)nk->open_file(&host, "/nonexistent/node.json", &node, &err));
    printf(" %s\n", err.text);
    return 0;
}
