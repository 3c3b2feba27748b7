/* SPDX-License-Identifier: Apache-2.0
 * Files that are written whole or not at all. */
#ifndef NODEKEY_CLI_WRITE_H
#define NODEKEY_CLI_WRITE_H

#include <stddef.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

/* Replaces what the path names, through links, by rename; mode 0644, on the disk when it returns.
 * On failure the old file is as it was. A link of somebody else is not followed, but on terms that
 * trust folders. NK_E_CONFIG names the path. */
MUST_USE nk_status write_whole(const char *path, const char *text, size_t len, nk_error *err);

#endif
