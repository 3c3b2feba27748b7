/* SPDX-License-Identifier: Apache-2.0
 * A module in a child. Some notice the fork (p11-kit, opencryptoki, OpenSC): there the child's
 * C_Initialize gives it an instance of its own. Some do not, and answer ALREADY_INITIALIZED: then
 * the child holds what its parent has with the token. In SoftHSM that is memory, and the child's
 * copy is its own. In tpm2-pkcs11 it is a session with the chip, and a child that signs in it
 * breaks the parent's for ever and drives the TPM into its lockout; so nothing is called there,
 * unless the parent had no login at the fork: then the child finalises what it got and begins anew.
 */
#ifndef NODEKEY_MODULE_FORK_H
#define NODEKEY_MODULE_FORK_H

#include "module/module.h"

/* Of module.c. */
struct module *module_first(void);
extern pthread_mutex_t module_registry_lock;
/* C_Initialize, judged as above in a child. Under reinit_lock. */
MUST_USE CK_RV module_initialise(struct module *module);
/* Nobody enters until it is over. False: somebody hangs inside. Under reinit_lock. */
MUST_USE bool module_empty(struct module *module, unsigned wait_ms);
void module_reopen(struct module *module, bool initialised);

/* Before the first stay in a child: initialises, once for all threads. CKR_NODEKEY_FORKED: must not
 * be used here. */
MUST_USE CK_RV module_settle(struct module *module);
/* What C_Initialize answered in a child that has not settled. Under reinit_lock. */
MUST_USE CK_RV module_inherit(struct module *module, CK_RV rv);

#endif
