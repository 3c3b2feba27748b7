/* SPDX-License-Identifier: Apache-2.0
 * Files that decide whom we trust or who we are: who may have written them, how long they may be.
 */
#ifndef NODEKEY_FILE_H
#define NODEKEY_FILE_H

#include <stddef.h>

#include "auto.h"
#include "nodekey/plugin.h"

/* Opens once. Refuses with `blame` what is not a regular file, belongs to another user than us and
 * root, or can be written by everybody. *ret_text is owned: free; a NUL follows its *ret_len bytes,
 * which may hold others. */
MUST_USE nk_status file_read(const char *path, size_t max_bytes, nk_status blame, char **ret_text,
                             size_t *ret_len, nk_error *err);
/* The absolute path of the folder that holds the name; links are not resolved: neighbours are those
 * that the operator sees. Owned: free. NULL: see errno. */
MUST_USE char *file_folder(const char *path);

#endif
