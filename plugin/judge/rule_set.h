/* SPDX-License-Identifier: Apache-2.0
 * All rules of one configuration, in force together. */
#ifndef NODEKEY_RULE_SET_H
#define NODEKEY_RULE_SET_H

#include <stdbool.h>

#include "base/auto.h"
#include "config/config.h"
#include "nodekey/plugin.h"
#include "rules/rules.h"

struct rule_set { /* counted; immutable once made */
    struct rule_list deny;
    struct rule_list admit;
    struct rule_list candidate;
    bool all_certified; /* `admit` is empty then */
    bool has_candidate;
    bool wants_policies; /* some rule asks for a policy_oid */
    unsigned references; /* touched atomically by the two below */
};

/* Takes over the three lists of `config`, which are empty afterwards, and sorts them. NK_E_NOMEM.
 * *ret_rules is owned: rule_set_unref. */
MUST_USE nk_status rule_set_new(struct config *config, struct rule_set **ret_rules, nk_error *err);
struct rule_set *rule_set_ref(struct rule_set *rules);
void rule_set_unref(struct rule_set *rules);
/* With federation.server_name "rule" nothing but a rule says which server we meant to dial. */
bool rule_set_names_servers(const struct rule_set *rules);

#endif
