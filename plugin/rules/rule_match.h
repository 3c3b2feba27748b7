/* SPDX-License-Identifier: Apache-2.0
 * One rule and one peer: does it match, and if not, why. */
#ifndef NODEKEY_RULE_MATCH_H
#define NODEKEY_RULE_MATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "rules/traits.h"

struct rule; /* one compiled rule */

/* Does it match, its direction included? If not, `why` gets the member that said no and what it
 * saw. `why` may be NULL. */
bool rule_matches(const struct rule *rule, const struct traits *traits, char *why, size_t room);

#endif
