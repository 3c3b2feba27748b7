/* SPDX-License-Identifier: Apache-2.0
 * Files that somebody sent: whoever may have written them, what is in them is proven. */
#ifndef NODEKEY_CLI_READ_H
#define NODEKEY_CLI_READ_H

#include <stddef.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

/* The path as texts name it: "-" is standard input. */
const char *sent_name(const char *path);
/* All of the file or of standard input. *ret_text is owned: free; a NUL follows its *ret_len bytes.
 * NK_E_IDENTITY: it cannot be read, or is longer than any of `what` ("chain"). */
MUST_USE nk_status sent_read(const char *path, const char *what, char **ret_text, size_t *ret_len,
                             nk_error *err);

#endif
