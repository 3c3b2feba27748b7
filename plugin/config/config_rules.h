/* SPDX-License-Identifier: Apache-2.0
 * Arrays of rules in the configuration. In memory they are a struct rule_list, sorted. */
#ifndef NODEKEY_CONFIG_RULES_H
#define NODEKEY_CONFIG_RULES_H

#include "config/config_types.h"

#define ALL_CERTIFIED "all-certified"

extern const struct type type_rules;
extern const struct type type_admit; /* or the word ALL_CERTIFIED; then the list is empty */

#endif
