/* SPDX-License-Identifier: Apache-2.0
 * The one thread of an instance: sees files change, and time pass. */
#ifndef NODEKEY_STEWARD_H
#define NODEKEY_STEWARD_H

#include "node/instance.h"

/* NK_E_INTERNAL: no thread. */
MUST_USE nk_status steward_start(struct core *core, nk_error *err);
/* Waits for what it is doing. Not from one of our callbacks. */
void steward_stop(struct core *core);

#endif
