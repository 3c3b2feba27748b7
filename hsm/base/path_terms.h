/* SPDX-License-Identifier: Apache-2.0
 * Terms on which paths are opened: whether the folders on the way are looked at, and where warnings
 * about them wait until they can be told. Each thread has the terms of the call that it serves. */
#ifndef NODEKEY_PATH_TERMS_H
#define NODEKEY_PATH_TERMS_H

#include <stdbool.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

struct path_terms; /* counted */

/* `trust_folders`: only files are looked at, and the folders that a configuration names. NULL: no
 * memory. Owned: path_terms_unref. [any] */
struct path_terms *path_terms_new(bool trust_folders);
struct path_terms *path_terms_ref(struct path_terms *terms); /* [any] */
void path_terms_unref(struct path_terms *terms);             /* NULL is allowed. [any] */
DEFINE_AUTO(struct path_terms *, path_terms_unref);

/* Terms of this thread, borrowed; at first those that look at every folder and keep no warning. */
struct path_terms *path_terms(void);
/* Borrowed until the thread has other ones. Returns those of before, for path_terms_restore at the
 * end of the scope. */
struct path_terms *path_terms_use(struct path_terms *next);
void path_terms_restore(struct path_terms *former);
DEFINE_AUTO(struct path_terms *, path_terms_restore);

bool path_terms_trust_folders(const struct path_terms *terms);
/* A warning, "subject: text": of each subject the first is kept. [any], under any lock */
void path_terms_note(struct path_terms *terms, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Warnings that have not been told yet go to the host's log: never under a lock of ours. [any] */
void path_terms_tell(struct path_terms *terms, const nk_host *host);

#endif
