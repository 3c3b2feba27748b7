/* SPDX-License-Identifier: Apache-2.0
 * A verdict and all rules as JSON, for the operator who asks why. */
#ifndef NODEKEY_EXPLAIN_H
#define NODEKEY_EXPLAIN_H

#include <stdbool.h>

#include "nodekey/plugin.h"
#include "rules.h"

struct explain_rules {
    const struct rule_list *deny;
    const struct rule_list *admit;
    bool all_certified;
    /* Of a server: an admit rule must name whom we expect, by uri or spki_sha256. */
    bool needs_identity;
};

/* Owned: free. NULL: no memory. */
char *explain_verdict(const struct explain_rules *rules, const nk_peer *peer,
                      const nk_verdict *verdict);
/* Does the rule say which peer it expects, as server_name "rule" asks? */
bool explain_names_identity(const struct rule *rule);

#endif
