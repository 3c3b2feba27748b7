/* SPDX-License-Identifier: Apache-2.0
 * New material for a running instance. Trust (roots, CRLs, rules) and identity (certificates) apply
 * independently, and so does each part of trust: what is good comes into force, what is not is
 * reported and stays as it was. */
#ifndef NODEKEY_RELOAD_H
#define NODEKEY_RELOAD_H

#include <stdint.h>

#include "node/instance.h"

/* RELOAD_SAYS_NEWS: a failure that the last reload had, too, is neither logged nor told. */
enum reload_voice { RELOAD_SAYS_ALL, RELOAD_SAYS_NEWS };

/* Reads everything again. The status tells of the first part that failed; the others are in force
 * all the same. A change that needs a restart (module, key, PIN source, sessions, lent threads,
 * state_dir, audit) is NK_E_UNSUPPORTED and named. [any], one at a time. */
MUST_USE nk_status reload_now(struct nk_instance *instance, enum reload_voice voice, nk_error *err);
/* changed_files_fingerprint of all that reload_now would read. */
uint64_t reload_fingerprint(struct nk_instance *instance);
/* Hands a renewed certificate to gRPC when a watcher of files could not take it at its reload, and
 * tells when it is in force. Once a second. */
void reload_tick(struct nk_instance *instance);
unsigned reload_interval_seconds(struct nk_instance *instance);

#endif
