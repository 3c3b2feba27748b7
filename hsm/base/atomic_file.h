/* SPDX-License-Identifier: Apache-2.0
 * Files that are replaced whole or not at all, by rename: readers see the old one or the new one,
 * and after a power cut, too, where `sync` says so. All [one]. */
#ifndef NODEKEY_ATOMIC_FILE_H
#define NODEKEY_ATOMIC_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "base/auto.h"

enum atomic_sync {
    ATOMIC_NO_SYNC,   /* for readers of this boot */
    ATOMIC_TRY_SYNC,  /* the file is on the disk, its name where the folder can be synced */
    ATOMIC_MUST_SYNC, /* both are on the disk, or the write fails */
};

struct atomic_file {
    int folder;                   /* borrowed */
    const char *name;             /* borrowed; in that folder */
    mode_t mode;                  /* 0: 0600, less the umask */
    const struct timespec *mtime; /* borrowed; NULL: of the write */
    enum atomic_sync sync;
    bool unlocked; /* others may replace the same file at this moment */

    int fd; /* of the file to be, "NAME.new", from _begin on; -1: none. For posix_fallocate. */
    char aside[NAME_MAX + 1];
};

/* Makes the file to be, and removes one that a killed process left. False: see errno. */
MUST_USE bool atomic_file_begin(struct atomic_file *file);
/* Puts it in place with these bytes. False: see errno; the old file is as it was, unless only the
 * sync of its folder failed. Either way nothing is left to drop. */
MUST_USE bool atomic_file_finish(struct atomic_file *file, const void *bytes, size_t len);
/* Both. */
MUST_USE bool atomic_file_write(struct atomic_file *file, const void *bytes, size_t len);
/* After _begin, when it shall not be finished; does nothing when `fd` is -1. */
void atomic_file_drop(struct atomic_file *file);

/* A lock between processes that read a file before they replace it. Waits at most `wait_ms`, then
 * errno is EWOULDBLOCK. The descriptor is owned: atomic_file_unlock; -1: see errno. */
MUST_USE int atomic_file_lock(int folder, const char *lock_name, unsigned wait_ms);
void atomic_file_unlock(int lock);
/* Likewise of a file or folder that is open; atomic_file_unlock closes it. False: see errno. */
MUST_USE bool atomic_file_wait(int fd, unsigned wait_ms);

#endif
