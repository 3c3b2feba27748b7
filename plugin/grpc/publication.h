/* SPDX-License-Identifier: Apache-2.0
 * How gRPC gets our identity: later cores are told it, older ones watch files in a private folder.
 * Either has a key reference, never a key: worth nothing outside this process. */
#ifndef NODEKEY_PUBLICATION_H
#define NODEKEY_PUBLICATION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

#define PUBLICATION_WATCH_SECONDS 1 /* how often gRPC's file watcher looks */

struct publication; /* counted: by its owner, and by what gRPC holds to read it */
struct hsm_key;
struct told_identity;

/* After core_bind, if the host names its core. For an older one, or none, makes a 0700 folder below
 * $RUNTIME_DIRECTORY, else $TMPDIR or /tmp, and removes those that dead processes left there.
 * NK_E_CONFIG: others may replace what is in that. *ret_publication is owned: publication_unref. */
MUST_USE nk_status publication_open(const nk_host *host, struct publication **ret_publication,
                                    nk_error *err);
/* Tells the core; or replaces our_role's file by rename, with an mtime in whole seconds: the
 * watcher looks at nothing finer; no earlier generation had the same. Keeps `key`, to which `pem`
 * refers, as long as the reference can be read; `pem` is borrowed and proven. Errors of
 * told_identity_tell, or publication_check_folder, too. */
MUST_USE nk_status publication_write(struct publication *publication, int our_role,
                                     struct hsm_key *key, const char *pem, nk_error *err);
/* Our last identity is in use, and another may follow: for an older core after two looks of its
 * watcher, so that it cannot mix two generations. */
bool publication_due(const struct publication *publication);
/* NK_E_INTERNAL when the path, by which gRPC reads, leads to another folder than the one that was
 * made, or to none. */
MUST_USE nk_status publication_check_folder(const struct publication *publication, nk_error *err);
/* The same; and when the file is gone: gRPC would make a port that fails every handshake. */
MUST_USE nk_status publication_check(const struct publication *publication, int our_role,
                                     nk_error *err);
/* told_identity_drop_sessions; an older core keeps none. */
void publication_drop_sessions(const struct publication *publication);
/* NULL: an older core, which is for the next two. Lives as long as `publication`. */
struct told_identity *publication_told(const struct publication *publication);
const char *publication_path(const struct publication *publication, int our_role);
/* A name for a socket in the folder. */
void publication_socket(const struct publication *publication, char *path, size_t room);
struct publication *publication_ref(struct publication *publication);
/* The last one removes folder and files. Makes no PKCS#11 call. NULL is allowed. [any] */
void publication_unref(struct publication *publication);

#endif
