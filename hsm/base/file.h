/* SPDX-License-Identifier: Apache-2.0
 * Files that decide whom we trust or who we are: who may have written them, how long they may be.
 * All [any]. */
#ifndef NODEKEY_FILE_H
#define NODEKEY_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

/* U+FEFF, the byte order mark. */
#define FILE_UTF8_MARK "\xef\xbb\xbf"

/* Opens once, as trusted_open_file does; more than `max_bytes` are refused with `blame`, too.
 * *ret_text is owned: free; a NUL follows its *ret_len bytes, which may hold others. A
 * FILE_UTF8_MARK at the start is left out. */
MUST_USE nk_status file_read(const char *path, size_t max_bytes, nk_status blame, char **ret_text,
                             size_t *ret_len, nk_error *err);
/* The same for a name, which is no link, in an open folder; `path` is what texts call it. */
MUST_USE nk_status file_read_in(int folder, const char *name, const char *path, size_t max_bytes,
                                nk_status blame, char **ret_text, size_t *ret_len, nk_error *err);

/* Reads until `room` is full or the file ends, through interruptions. -1: see errno. */
MUST_USE ssize_t file_read_fd(int fd, void *bytes, size_t room);
/* Writes all, through interruptions. False: see errno. */
MUST_USE bool file_write_fd(int fd, const void *bytes, size_t len);

enum file_owner { FILE_OF_ANYBODY };
enum file_flaw { FILE_SOUND = 0, FILE_ODD_KIND, FILE_ODD_OWNER, FILE_EXPOSED };
/* The first flaw of what fstat told: it is not of `kind` (S_IFREG, S_IFDIR), not root's or ours, or
 * has a bit of `forbidden` in its mode, such as S_IWOTH. The sentence is the caller's. */
enum file_flaw file_find_flaw(const struct stat *info, mode_t kind, mode_t forbidden);

/* Through links. */
bool file_is_folder(const char *path);
struct file_names { /* zeroed: empty */
    char **at;
    size_t len;
};
void file_names_clear(struct file_names *names);
/* The names in an open folder, sorted, that do not start with a dot and are regular files, links to
 * such, or cannot be looked at: reading those tells why. More than `max` are refused. *ret_names is
 * owned: file_names_clear. */
MUST_USE nk_status file_list(int folder, const char *path, size_t max, nk_status blame,
                             struct file_names *ret_names, nk_error *err);

/* The name as an absolute path; links are not resolved. Owned: free. NULL: see errno. */
MUST_USE char *file_absolute(const char *path);
/* The absolute path of the folder that holds the name; links are not resolved: neighbours are those
 * that the operator sees. Owned: free. NULL: see errno. */
MUST_USE char *file_folder(const char *path);

/* The folder that systemd keeps for the service over restarts (StateDirectory=, systemd.exec(5)):
 * the first of those in $STATE_DIRECTORY. NULL: the variable is not set, or is empty, or the
 * program is setuid and it may be another user's. Owned: free. NK_E_CONFIG: not an absolute path;
 * NK_E_NOMEM. */
MUST_USE nk_status file_state_directory(char **ret_path, nk_error *err);
/* The folder in which we make a private one: the first of $RUNTIME_DIRECTORY (RuntimeDirectory= of
 * systemd.exec(5)), else $TMPDIR, else /tmp. `path` is filled in any case. NK_E_CONFIG: others may
 * replace what is in it. */
MUST_USE nk_status file_runtime_directory(char path[PATH_MAX], nk_error *err);

#endif
