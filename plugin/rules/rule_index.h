/* SPDX-License-Identifier: Apache-2.0
 * An index of rules: finds those that a peer's facts may match without asking each. Private to
 * rules.c. */
#ifndef NODEKEY_RULE_INDEX_H
#define NODEKEY_RULE_INDEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/auto.h"
#include "nodekey/plugin.h"
#include "rules/traits.h"

struct rule;
struct rule_index;

/* An index of sorted rules, whose keys must outlive it. *ret_index is owned: rule_index_free. */
MUST_USE nk_status rule_index_new(const struct rule *rules, size_t len,
                                  struct rule_index **ret_index, nk_error *err);
void rule_index_free(struct rule_index *index);

/* Candidates are put to `accept`, by the number of the rule; the smallest number that it accepts is
 * returned, or SIZE_MAX. Every rule that matches is a candidate, unless one with a
 * smaller number was accepted. */
typedef bool rule_accept(const void *asker, size_t number);
size_t rule_index_find(const struct rule_index *index, const struct traits *traits,
                       rule_accept *accept, const void *asker);

#endif
