/* SPDX-License-Identifier: Apache-2.0
 * The life of an instance: in which order its parts begin and end. */
#ifndef NODEKEY_LIFE_H
#define NODEKEY_LIFE_H

#include "node/instance.h"

/* instance_open, then its housekeeping. *ret_instance is owned: life_end. [any] */
MUST_USE nk_status life_begin(struct config **config, const char *path, const nk_host *host,
                              struct nk_instance **ret_instance, nk_error *err);
/* Waits at most login_timeout_ms for the token, and for what housekeeping does. Not from one of our
 * callbacks. In a child of the process that opened it: gives back only what this process has with
 * the token. [any], once */
void life_end(struct nk_instance *instance);

#endif
