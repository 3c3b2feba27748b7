/* SPDX-License-Identifier: Apache-2.0
 * Whether this thread is inside a callback of the host's: close must not be called there, since it
 * waits for the very work that called back. All [any]: each thread has a count of its own. */
#ifndef NODEKEY_CALLBACK_H
#define NODEKEY_CALLBACK_H

#include <stdbool.h>

/* Around every call of a function in nk_host; pairs nest. */
void callback_enter(void);
void callback_leave(void);
bool callback_active(void);

#endif
