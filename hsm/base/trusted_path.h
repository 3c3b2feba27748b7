/* SPDX-License-Identifier: Apache-2.0
 * Paths that only root and we can lead elsewhere. Each component from "/" on is opened without
 * following it, and links are resolved here, so that what was looked at is what is opened.
 *
 * A component belongs to root or to us; a link, too. Everybody may write to a folder only if it is
 * sticky, where nobody can replace what belongs to root or us. A group may write if it is root's
 * (gid 0), or to a sticky folder; our own group may, with a warning. An ACL may let root, us and
 * root's group write, nobody else. An owner whom a user namespace
 * hides counts as root, with a warning. By this thread's path_terms, folders and links on the way
 * are not looked at.
 *
 * All refuse with `blame`; err->native is the errno where the system says no. *ret_fd is owned:
 * close. All [any]. */
#ifndef NODEKEY_TRUSTED_PATH_H
#define NODEKEY_TRUSTED_PATH_H

#include "base/auto.h"
#include "nodekey/plugin.h"

/* Opens a file for reading, and does not wait where it is a FIFO. It is regular, and only root, we
 * and groups as above may write to it. */
MUST_USE nk_status trusted_open_file(const char *path, nk_status blame, int *ret_fd, nk_error *err);
/* The same for a name, which is no link, in an open folder; `path` is what texts call it. */
MUST_USE nk_status trusted_open_file_in(int folder, const char *name, const char *path,
                                        nk_status blame, int *ret_fd, nk_error *err);
/* As the first, but what is opened is the caller's to look at, by fstat. */
MUST_USE nk_status trusted_open_any(const char *path, nk_status blame, int *ret_fd, nk_error *err);

enum trusted_use {
    TRUSTED_TO_LIST, /* named for what is in it: looked at on any terms */
    TRUSTED_TO_KEEP, /* likewise; and ours alone: no group writes to it either, sticky or not */
    TRUSTED_TO_HOLD, /* we make something in it; O_PATH, for functions that end in "at" */
    TRUSTED_TO_LOG,  /* likewise; of groups we only warn: Ubuntu's /var/log is syslog's, too */
};
MUST_USE nk_status trusted_open_folder(const char *path, enum trusted_use use, nk_status blame,
                                       int *ret_fd, nk_error *err);

#endif
