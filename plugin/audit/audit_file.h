/* SPDX-License-Identifier: Apache-2.0
 * File of lines that only grows, and that logrotate may rename away at any time. One caller at a
 * time. */
#ifndef NODEKEY_AUDIT_FILE_H
#define NODEKEY_AUDIT_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

struct audit_file;

/* [one] Path and NK_E_CONFIG as audit_open says. *ret_file is owned: audit_file_close. */
MUST_USE nk_status audit_file_open(const char *path, struct audit_file **ret_file, nk_error *err);
/* [one] NULL is allowed. */
void audit_file_close(struct audit_file *file);
/* [one] Looks, at most once a second, whether the path still names the open file, and opens the
 * file that it names now. NK_E_CONFIG: that one is refused, and the old file stays open. */
MUST_USE nk_status audit_file_follow(struct audit_file *file, int64_t now_seconds, nk_error *err);
/* [one] `line[-1]` must be a newline, too: after a line that was cut off it is written first, so
 * that a cut line spoils no other. `len` counts the newline at the end. NK_E_INTERNAL: not all of
 * it was written. */
MUST_USE nk_status audit_file_write(struct audit_file *file, const char *line, size_t len,
                                    nk_error *err);

#endif
