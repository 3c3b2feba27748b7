/* SPDX-License-Identifier: Apache-2.0
 * What the host's `event` is told. The names and members are in README. */
#ifndef NODEKEY_EVENT_H
#define NODEKEY_EVENT_H

#include <stdint.h>

#include "nodekey/plugin.h"

void event_policy(const nk_host *host, uint64_t generation, const char *digest);
void event_reload_failed(const nk_host *host, const nk_error *err);
void event_rotated(const nk_host *host);

#endif
