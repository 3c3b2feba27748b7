/* SPDX-License-Identifier: Apache-2.0
 * The one thread of an instance: sees files change, and time pass. */
#ifndef NODEKEY_HOUSEKEEPING_H
#define NODEKEY_HOUSEKEEPING_H

#include "node/instance.h"

/* NK_E_INTERNAL: no thread. */
MUST_USE nk_status housekeeping_start(struct core *core, nk_error *err);
/* Waits for what it is doing. Not from one of our callbacks. */
void housekeeping_stop(struct core *core);

#endif
