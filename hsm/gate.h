/* SPDX-License-Identifier: Apache-2.0
 * The exit gate. A module's destructors run during exit() while other threads may still be inside
 * it; they crash there. So every stay inside a module is counted, and an atexit handler, which runs
 * before those destructors, lets nobody in any more and waits for those inside. */
#ifndef NODEKEY_GATE_H
#define NODEKEY_GATE_H

#include <stdbool.h>

#include "auto.h"

/* Registers the handler. Must be called after the module was loaded and initialised: handlers run
 * in reverse order. Once for each module; the handler itself works once. */
void gate_arm(void);
/* Call before and after a stay. While the process exits, gate_enter does not return, except on the
 * exiting thread itself, where it is false and the module must not be called. */
MUST_USE bool gate_enter(void);
void gate_leave(void);

#endif
