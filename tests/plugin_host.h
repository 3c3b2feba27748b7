/* SPDX-License-Identifier: Apache-2.0
 * A host as a reader of the ABI header would write it: it loads the plugin from $NODEKEY_MODULE and
 * keeps every log line. Failures of the fixture abort. */
#ifndef NODEKEY_TESTS_PLUGIN_HOST_H
#define NODEKEY_TESTS_PLUGIN_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "nodekey/plugin.h"

const nk_plugin *plugin_load(void);

/* Every line that the plugin logged, oldest first, each ended by a newline. */
struct recorder;

/* Lives until the process ends, as host_data must while any credentials do. */
struct recorder *recorder_new(void);
void recorder_clear(struct recorder *recorder);
bool recorder_has(struct recorder *recorder, const char *piece);
/* Logging happens on gRPC's threads, so a test waits for a line; false after `ms`. */
bool recorder_waits_for(struct recorder *recorder, const char *piece, unsigned ms);
size_t recorder_count(struct recorder *recorder, const char *piece);
/* Owned: free. */
char *recorder_copy(struct recorder *recorder);

/* Logs to `recorder`, which is also its host_data, and events, too, as "event NAME JSON";
 * grpc_version is ours. */
nk_host recording_host(struct recorder *recorder);

#endif
