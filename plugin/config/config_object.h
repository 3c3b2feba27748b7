/* SPDX-License-Identifier: Apache-2.0
 * Objects of the configuration: every member is in the table, and every required one is there. An
 * unknown name is refused with the name that was probably meant. */
#ifndef NODEKEY_CONFIG_OBJECT_H
#define NODEKEY_CONFIG_OBJECT_H

#include "config/config_types.h"

type_check check_object;
extern const struct type type_object;  /* its members are kept */
extern const struct type type_default; /* others are laid over it */

#endif
