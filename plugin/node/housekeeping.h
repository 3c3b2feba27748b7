/* SPDX-License-Identifier: Apache-2.0
 * The one thread of an instance: sees files change, and time pass. */
#ifndef NODEKEY_HOUSEKEEPING_H
#define NODEKEY_HOUSEKEEPING_H

#include "node/instance.h"

struct housekeeping;

/* NK_E_INTERNAL: no thread. `instance` is borrowed until housekeeping_stop; so is the result owned:
 * housekeeping_stop. */
MUST_USE nk_status housekeeping_start(struct nk_instance *instance,
                                      struct housekeeping **ret_housekeeping, nk_error *err);
/* Waits for what the thread is doing. Not from one of our callbacks. NULL is allowed. */
void housekeeping_stop(struct housekeeping *housekeeping);

#endif
