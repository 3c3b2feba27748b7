/* SPDX-License-Identifier: Apache-2.0
 * Opening and closing sessions, one at a time in each module: tpm2-pkcs11 1.9 hands out one handle
 * twice otherwise. All of it inside a use of the module. */
#ifndef NODEKEY_SESSION_H
#define NODEKEY_SESSION_H

#include "module/module.h"

/* `flags`: CKF_RW_SESSION, or 0. CKR_OK, or what the module answers. *ret_session is owned:
 * session_close. [any] */
MUST_USE CK_RV session_open(struct module *module, CK_SLOT_ID slot, CK_FLAGS flags,
                            CK_SESSION_HANDLE *ret_session);
void session_close(struct module *module, CK_SESSION_HANDLE session); /* [any] */
/* The handle is of a session with this slot's token: ours still, or at least not one with another
 * token that was given the number since. [any] */
MUST_USE bool session_is_there(const struct module *module, CK_SLOT_ID slot,
                               CK_SESSION_HANDLE session);
/* Closes a session whose handle may have become void, and another's. [any] */
void session_close_if_there(struct module *module, CK_SLOT_ID slot, CK_SESSION_HANDLE session);

#endif
