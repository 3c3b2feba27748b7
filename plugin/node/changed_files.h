/* SPDX-License-Identifier: Apache-2.0
 * Has a file changed? By what stat says of it, and of what is in its folder if it is one. */
#ifndef NODEKEY_CHANGED_FILES_H
#define NODEKEY_CHANGED_FILES_H

#include <stdint.h>

#include "config/config.h"

/* A number that changes with every file that a reload would read: names, sizes, times, inodes.
 * `path` is the configuration's own, or NULL. Caller's lock on both. */
uint64_t changed_files_fingerprint(const char *path, const struct config *config);

#endif
