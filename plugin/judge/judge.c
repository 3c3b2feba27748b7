/* SPDX-License-Identifier: Apache-2.0
 * One generation's opinion of one peer. */
#include <stdio.h>

#include <openssl/err.h>

#include "base/text.h"
#include "chain/reasons.h"
#include "judge/explain.h"
#include "judge/policy_private.h"
#include "peer/certified.h"
#include "peer/server_name.h"

#define DESCRIPTION_BYTES 200

static bool name_holds(const struct peer *peer, nk_verdict *verdict)
{
    char description[NK_DETAIL_BYTES];
    char spelling[SERVER_NAME_ADDRESS_BYTES];
    const char *target = peer->facts.target;

    if (target == NULL) {
        verdict_deny(verdict, REASON_NAME_MISMATCH, NULL, "nobody said which name was dialled");
        return false;
    }
    int found = server_name_fits(peer->leaf, target, spelling);
    if (found < 0) {
        verdict_deny(verdict, REASON_INTERNAL, NULL, "OpenSSL could not compare names");
        return false;
    }
    if (found == 0 && spelling[0] != '\0') {
        verdict_deny(verdict, REASON_NAME_MISMATCH, NULL,
                     "dialled %s, which gRPC takes as %s only: dial that", target, spelling);
    } else if (found == 0) {
        peer_describe_dialled(peer, description, sizeof(description));
        verdict_deny(verdict, REASON_NAME_MISMATCH, NULL, "dialled %s, got %s", target,
                     description);
    }
    return found > 0;
}

/* --- rules --- */

static bool needs_identity(const struct policy *policy, const struct peer *peer)
{
    return peer->facts.role == NK_PEER_IS_SERVER &&
           policy->settings.server_name == SERVER_NAME_RULE;
}

/* The name of the rule of this list that admits, or NULL. */
static const char *find_admitting_rule(const struct policy *policy, const struct rule_list *list,
                                       const struct certified *certified)
{
    const struct rule *rule = needs_identity(policy, certified->peer)
                                  ? rule_list_find_naming(list, &certified->traits)
                                  : rule_list_find(list, &certified->traits);
    return rule != NULL ? rule_name(rule) : NULL;
}

static const char *admitted_by(const struct policy *policy, const struct certified *certified)
{
    if (policy->rules->all_certified) {
        return needs_identity(policy, certified->peer) ? NULL : ALL_CERTIFIED;
    }
    return find_admitting_rule(policy, &policy->rules->admit, certified);
}

static void ask_candidate(const struct policy *policy, const struct certified *certified,
                          struct opinion *opinion)
{
    if (policy->rules->has_candidate) {
        const char *rule = find_admitting_rule(policy, &policy->rules->candidate, certified);
        opinion->has_candidate = true;
        snprintf(opinion->candidate, sizeof(opinion->candidate), "%s", rule != NULL ? rule : "");
    }
}

/* --- judging --- */

nk_status policy_read_peer(struct policy *policy, uint32_t role, const char *target,
                           const char *leaf_pem, const char *chain_pem, struct peer **ret_peer,
                           nk_error *err)
{
    const struct peer_decoded decoded = { pool_find, policy->pool };

    return peer_read_beside(role, target, leaf_pem, chain_pem, &decoded, ret_peer, err);
}

/* The rule that admits. NULL: the verdict says no. */
static const char *judge_rules(const struct policy *policy, const struct certified *certified,
                               struct opinion *opinion)
{
    nk_verdict *verdict = &opinion->verdict;
    char description[DESCRIPTION_BYTES];

    peer_describe(certified->peer, description, sizeof(description));
    ask_candidate(policy, certified, opinion);
    const char *odd = rule_list_odd_name(&policy->rules->deny, &certified->traits);
    if (odd != NULL) {
        char shown[DESCRIPTION_BYTES];
        verdict_deny(verdict, REASON_MALFORMED, NULL,
                     "the name %s is not in plain form, so the deny rules cannot be sure of it",
                     text_escape(shown, sizeof(shown), odd));
        return NULL;
    }
    const struct rule *denied = rule_list_find(&policy->rules->deny, &certified->traits);
    if (denied != NULL) {
        verdict_deny(verdict, REASON_DENIED, rule_name(denied), "rule %s matches %s",
                     rule_name(denied), description);
        return NULL;
    }
    const char *admitted = admitted_by(policy, certified);
    if (admitted == NULL) {
        verdict_deny(verdict, REASON_NO_RULE, NULL, "no admit rule matches %s", description);
    }
    return admitted;
}

static void allow_peer(const struct peer *peer, const char *rule, nk_verdict *verdict)
{
    snprintf(verdict->rule, sizeof(verdict->rule), "%s", rule);
    peer_describe(peer, verdict->detail, sizeof(verdict->detail));
    verdict->reason[0] = '\0';
    verdict->decision = NK_ALLOW;
}

static void judge_certified(struct policy *policy, const struct certified *certified, bool dialled,
                            const struct chain_path *path, struct opinion *opinion)
{
    const struct peer *peer = certified->peer;
    bool named = dialled && peer->facts.role == NK_PEER_IS_SERVER &&
                 policy->settings.server_name == SERVER_NAME_TARGET;
    const char *rule = judge_rules(policy, certified, opinion);

    if (rule != NULL && (!named || name_holds(peer, &opinion->verdict))) {
        pool_remember(policy->pool, path->certificates);
        allow_peer(peer, rule, &opinion->verdict);
    }
}

static void judge_path(struct policy *policy, bool dialled, struct chain_path *path,
                       struct certified *certified, struct opinion *opinion)
{
    const struct peer *peer = certified->peer;
    struct chain_failure failure;

    if (!chain_holds(policy->chain, policy->pool, peer->facts.role, peer->leaf, peer->others, path,
                     &failure)) {
        verdict_deny(&opinion->verdict, failure.reason, NULL, "%s", failure.detail);
        return;
    }
    opinion->until = path->until;
    opinion->pooled = path->pooled;
    snprintf(opinion->note, sizeof(opinion->note), "%s", path->note);
    if (certified_add_path(certified, path->certificates, path->policies, path->policies_len)) {
        judge_certified(policy, certified, dialled, path, opinion);
    } else {
        verdict_deny(&opinion->verdict, REASON_INTERNAL, NULL, "the peer's issuer was not hashed");
    }
}

static char *explain_certified(const struct policy *policy, const struct certified *certified,
                               const nk_verdict *verdict)
{
    const struct explain_rules rules = {
        .deny = &policy->rules->deny,
        .admit = &policy->rules->admit,
        .candidate = policy->rules->has_candidate ? &policy->rules->candidate : NULL,
        .all_certified = policy->rules->all_certified,
        .needs_identity = needs_identity(policy, certified->peer),
    };
    return explain_verdict(&rules, &certified->traits, verdict);
}

/* The explanation, if it is asked for. */
static char *judge_cleanly(struct policy *policy, const struct peer *peer, bool dialled,
                           bool explained, struct opinion *opinion)
{
    struct chain_path path = { .certificates = NULL };
    struct certified certified;

    *opinion = (struct opinion){ .verdict.struct_size = sizeof(opinion->verdict) };
    verdict_deny(&opinion->verdict, REASON_INTERNAL, NULL, "the peer was not judged");
    certified_begin(peer, &certified);
    ERR_clear_error(); /* the thread is gRPC's */
    judge_path(policy, dialled, &path, &certified, opinion);
    ERR_clear_error();
    char *text = explained ? explain_certified(policy, &certified, &opinion->verdict) : NULL;
    chain_path_clear(&path);
    return text;
}

void policy_judge(struct policy *policy, const struct peer *peer, struct opinion *ret_opinion)
{
    (void)judge_cleanly(policy, peer, true, false, ret_opinion);
}

void policy_identify(struct policy *policy, const struct peer *peer, struct opinion *ret_opinion)
{
    (void)judge_cleanly(policy, peer, false, false, ret_opinion);
}

char *policy_explain(struct policy *policy, const struct peer *peer, bool dialled,
                     struct opinion *ret_opinion)
{
    return judge_cleanly(policy, peer, dialled, true, ret_opinion);
}
