/* SPDX-License-Identifier: Apache-2.0
 * A plugin that is not ours, as $OTHER_PLUGIN says:
 *     null     has no table
 *     major, minor, short    of another ABI, an older minor one, a shorter one
 *     later    of a later minor version
 *     busy     opens, and does not let itself be closed the first time */
#include <stdlib.h>
#include <string.h>

#include "nodekey/plugin.h"

const nk_plugin *nodekey_plugin_v0(void);

static nk_status open_nothing(const nk_host *host, const char *path, nk_instance **ret,
                              nk_error *err)
{
    static char instance;

    (void)host, (void)path, (void)err;
    *ret = (nk_instance *)(void *)&instance;
    return NK_OK;
}

static nk_status close_second_time(nk_instance *instance, nk_error *err)
{
    static int calls;

    (void)instance;
    if (++calls > 1) {
        return NK_OK;
    }
    err->status = NK_E_USAGE;
    strcpy(err->text, "close was called from one of our callbacks");
    return NK_E_USAGE;
}

static nk_status reload_nothing(nk_instance *instance, nk_error *err)
{
    (void)instance, (void)err;
    return NK_OK;
}

const nk_plugin *nodekey_plugin_v0(void)
{
    static nk_plugin table = { .struct_size = sizeof(table),
                               .abi_major = NK_ABI_MAJOR,
                               .abi_minor = NK_ABI_MINOR,
                               .version = "other",
                               .open_file = open_nothing,
                               .close = close_second_time,
                               .reload = reload_nothing };
    const char *kind = getenv("OTHER_PLUGIN");

    table.abi_major = NK_ABI_MAJOR + (strcmp(kind, "major") == 0);
    table.abi_minor = NK_ABI_MINOR - (strcmp(kind, "minor") == 0) + (strcmp(kind, "later") == 0);
    table.struct_size =
        (uint32_t)(sizeof(table) - (strcmp(kind, "short") == 0 ? sizeof(void *) : 0));
    return strcmp(kind, "null") == 0 ? NULL : &table;
}
