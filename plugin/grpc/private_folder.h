/* SPDX-License-Identifier: Apache-2.0
 * Our own 0700 folder, below one that only root and we can change. Its lock says that its owner
 * lives: those without are swept when another one is made. */
#ifndef NODEKEY_PRIVATE_FOLDER_H
#define NODEKEY_PRIVATE_FOLDER_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

struct private_folder {       /* zeroed but for fd = -1: none was made */
    char path[PATH_MAX - 32]; /* so that a file in it has a path, too */
    int fd;                   /* holds a lock (flock); systemd-tmpfiles heeds it, too */
    dev_t device;
    ino_t inode;
    pid_t owner;
    struct private_folder *next; /* of those that an exit removes */
};

/* Makes "nodekey-PID-XXXXXX" below $RUNTIME_DIRECTORY, else $TMPDIR or /tmp. NK_E_CONFIG: others
 * may replace what is in that. NK_E_INTERNAL: it takes no folder. Owned: private_folder_remove; it
 * stays where it is until then. An exit removes it, too. [any] */
MUST_USE nk_status private_folder_make(struct private_folder *folder, nk_error *err);
/* NK_E_INTERNAL when its path leads to another folder than ours, or to none. [any] */
MUST_USE nk_status private_folder_check(const struct private_folder *folder, nk_error *err);
/* Does nothing to one that was not made, nor, but for its descriptor, in a child. [any] */
void private_folder_remove(struct private_folder *folder);

#endif
