/* SPDX-License-Identifier: Apache-2.0
 * Arrays of rules in the configuration; in memory each is a sorted struct rule_list. */
#ifndef NODEKEY_CONFIG_RULES_H
#define NODEKEY_CONFIG_RULES_H

#include "config/config_types.h"
#include "rules/rules.h"

extern const struct type type_rules;
extern const struct type type_admit; /* or the word ALL_CERTIFIED; then the list is empty */

#endif
