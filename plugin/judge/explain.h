/* SPDX-License-Identifier: Apache-2.0
 * A verdict and all rules as JSON, for the operator who asks why. */
#ifndef NODEKEY_EXPLAIN_H
#define NODEKEY_EXPLAIN_H

#include <stdbool.h>

#include "nodekey/plugin.h"
#include "rules/rules.h"

struct explain_rules {
    const struct rule_list *deny;
    const struct rule_list *admit;
    const struct rule_list *candidate; /* of admit_candidate; NULL: none was given */
    bool all_certified;
    /* A server's admit rule must name whom we expect, by uri or spki_sha256. */
    bool needs_identity;
};

/* In "rules" each list is in the order in which it is judged: by name, not as written. Owned: free.
 * NULL: no memory. */
char *explain_verdict(const struct explain_rules *rules, const struct traits *traits,
                      const nk_verdict *verdict);

#endif
