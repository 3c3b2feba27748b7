/* SPDX-License-Identifier: Apache-2.0
 * The compiled rule, for the files that make, match and index rules. */
#ifndef NODEKEY_RULE_MATCH_PRIVATE_H
#define NODEKEY_RULE_MATCH_PRIVATE_H

#include "rules/rule_match.h"
#include "rules/rule_member_private.h"

struct rule {
    char name[NK_RULE_NAME_BYTES];
    unsigned directions;
    struct rule_values members[RULE_MEMBERS];
};

#endif
