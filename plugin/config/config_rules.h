/* SPDX-License-Identifier: Apache-2.0
 * From a checked array of rules to a list of them. */
#ifndef NODEKEY_CONFIG_RULES_H
#define NODEKEY_CONFIG_RULES_H

#include <jansson.h>

#include "base/auto.h"
#include "config/json_lines.h"
#include "rules/rules.h"

/* `rules` may be NULL or no array: then the list stays empty. *list is sorted after NK_OK. */
MUST_USE nk_status config_rules_read(const json_t *rules, const struct place *at,
                                     struct rule_list *list, nk_error *err);

#endif
