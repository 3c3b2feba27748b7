/* SPDX-License-Identifier: Apache-2.0
 * For module.c (uses and restarts), module_start.c (how a module is loaded and initialised) and
 * module_fork.c (what happens around a fork). */
#ifndef NODEKEY_MODULE_PRIVATE_H
#define NODEKEY_MODULE_PRIVATE_H

#include "module/module.h"

extern pthread_mutex_t module_registry_lock;
struct module *module_first_locked(void); /* under module_registry_lock */

/* Loads the file unless it is loaded, and initialises the module. Errors as module_get. Under
 * start_lock. */
MUST_USE nk_status module_start_locked(struct module *module, nk_error *err);
/* C_Initialize; CKR_NODEKEY_FORKED in a child that must not use what its parent has with the token.
 * Under start_lock until `started`, from then on under reinit_lock. */
MUST_USE CK_RV module_initialise_locked(struct module *module);
MUST_USE CK_RV module_finalise_locked(struct module *module); /* under reinit_lock */

/* Lets nobody enter until module_reopen_locked. False: a thread hangs inside. Both under
 * reinit_lock. */
MUST_USE bool module_drain_locked(struct module *module, unsigned wait_ms);
void module_reopen_locked(struct module *module, bool initialised);

#endif
