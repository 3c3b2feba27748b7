/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/rule_set.h"

#include <stdlib.h>

#include "base/report.h"

DEFINE_AUTO(struct rule_set *, rule_set_unref);

nk_status rule_set_new(struct config *config, struct rule_set **ret_rules, nk_error *err)
{
    AUTO(rule_set_unref) struct rule_set *rules = calloc(1, sizeof(*rules));

    if (rules == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    rules->references = 1;
    rules->deny = config->deny;
    rules->admit = config->admit;
    rules->candidate = config->admit_candidate;
    rules->all_certified = config->all_certified;
    rules->has_candidate = config->has_candidate;
    config->deny = config->admit = config->admit_candidate = (struct rule_list){ 0 };

    struct rule_list *lists[] = { &rules->deny, &rules->admit, &rules->candidate };
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        nk_status status = rule_list_sort(lists[i], err);
        if (status != NK_OK) {
            return status;
        }
        rules->wants_policies |= rule_list_has(lists[i], RULE_POLICY_OID);
    }
    *ret_rules = rules;
    rules = NULL;
    return NK_OK;
}

struct rule_set *rule_set_ref(struct rule_set *rules)
{
    __atomic_fetch_add(&rules->references, 1, __ATOMIC_RELAXED);
    return rules;
}

void rule_set_unref(struct rule_set *rules)
{
    if (rules == NULL || __atomic_fetch_sub(&rules->references, 1, __ATOMIC_ACQ_REL) != 1) {
        return;
    }
    rule_list_clear(&rules->deny);
    rule_list_clear(&rules->admit);
    rule_list_clear(&rules->candidate);
    free(rules);
}

bool rule_set_names_servers(const struct rule_set *rules)
{
    for (size_t i = 0; i < rules->admit.len; i++) {
        const struct rule *rule = rule_list_at(&rules->admit, i);
        if ((rule_directions(rule) & NK_PEER_IS_SERVER) != 0 && rule_names_peer(rule)) {
            return true;
        }
    }
    return false;
}
