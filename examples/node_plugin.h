/* SPDX-License-Identifier: Apache-2.0
 * Loading nodekey.so and getting both kinds of credentials from it. */
#ifndef EXAMPLE_NODE_PLUGIN_H
#define EXAMPLE_NODE_PLUGIN_H

#include <grpc/grpc_security.h>

#include "nodekey/plugin.h"

struct plugin {
    const nk_plugin *table;
    nk_instance *instance;
    grpc_server_credentials *server; /* one serves any number of ports */
    grpc_channel_credentials *channel;
};

/* `path` is absolute. Any status but NK_OK: the reason is on stderr, and `plugin` is as
 * plugin_close leaves it. */
nk_status plugin_open(struct plugin *plugin, const char *path, const char *config_path);
/* Reads configuration, roots, CRLs and certificates again, and says what came of it. */
void plugin_reload(struct plugin *plugin);
/* Also of one that is zero. The library stays loaded: gRPC may still hold its callbacks. */
void plugin_close(struct plugin *plugin);

#endif
