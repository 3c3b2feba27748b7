/* SPDX-License-Identifier: Apache-2.0
 * Matching one rule with one peer, and why it does not match. */
#ifndef NODEKEY_RULE_MATCH_H
#define NODEKEY_RULE_MATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "rules/traits.h"

struct rule; /* one compiled rule */

/* Whether the rule matches, its direction included. If not, `why` gets the member that said no and
 * what the peer shows of it. `why` may be NULL. */
bool rule_matches(const struct rule *rule, const struct traits *traits, char *why, size_t room);

#endif
