/* SPDX-License-Identifier: Apache-2.0
 * A file of lines that only grows, and that somebody else may rename away at any time. One caller
 * at a time. */
#ifndef NODEKEY_AUDIT_FILE_H
#define NODEKEY_AUDIT_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

struct audit_file;

/* See audit_open. *ret_file is owned: audit_file_close. */
MUST_USE nk_status audit_file_open(const char *path, struct audit_file **ret_file, nk_error *err);
void audit_file_close(struct audit_file *file); /* NULL is allowed */
/* Looks, at most once a second, whether the path still names the open file, and opens what it names
 * now. On failure the old file stays open. */
MUST_USE nk_status audit_file_follow(struct audit_file *file, int64_t now_seconds, nk_error *err);
/* `line[-1]` must be a newline, too: where the line before was cut off, it is written with this
 * one, so that a cut line spoils no other. `len` counts the newline at the end. */
MUST_USE nk_status audit_file_write(struct audit_file *file, const char *line, size_t len,
                                    nk_error *err);

#endif
