/* SPDX-License-Identifier: Apache-2.0 */
#include "policy.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/err.h>

#include "chain.h"
#include "explain.h"
#include "ours.h"
#include "reasons.h"
#include "report.h"
#include "server_name.h"
#include "trust.h"

#define ALL_CERTIFIED "all-certified"
#define DESCRIPTION_BYTES 200

struct policy {
    atomic_uint references;
    struct chain *chain;
    struct pool *pool;
    struct rule_list admit;
    struct rule_list deny;
    bool strict;
    bool all_certified;
    enum server_name_mode server_name;
};

static void free_certificates(STACK_OF(X509) *certificates)
{
    sk_X509_pop_free(certificates, X509_free);
}
DEFINE_AUTO(STACK_OF(X509) *, free_certificates);

/* --- verdicts --- */

const char *reason_label(enum reason reason)
{
#define REASON_LABEL(constant, label, meaning) [constant] = (label),
    static const char *const labels[] = { REASONS(REASON_LABEL) };
#undef REASON_LABEL
    return (size_t)reason < ARRAY_LEN(labels) ? labels[reason] : labels[REASON_INTERNAL];
}

/* Targets come from the host and may hold any byte. */
static void flatten(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text >= 0x7f) {
            *text = '?';
        }
    }
}

void verdict_deny(nk_verdict *verdict, enum reason reason, const char *rule, const char *fmt, ...)
{
    va_list args;

    verdict->decision = NK_DENY;
    snprintf(verdict->rule, sizeof(verdict->rule), "%s", rule != NULL ? rule : "");
    snprintf(verdict->reason, sizeof(verdict->reason), "%s", reason_label(reason));
    va_start(args, fmt);
    vsnprintf(verdict->detail, sizeof(verdict->detail), fmt, args);
    va_end(args);
    flatten(verdict->detail);
}

/* --- life --- */

static void warn_of_weakness(const struct policy *policy, const nk_host *host)
{
    if (!policy->strict) {
        log_line(host, NK_LOG_WARNING,
                 "federation.strict is false: a certificate without extendedKeyUsage suits any "
                 "role, so any member's client certificate serves as any server's");
    }
    if (policy->all_certified) {
        log_line(host, NK_LOG_WARNING,
                 "admit is \"" ALL_CERTIFIED "\": every holder of a certificate of the federation "
                 "is let in");
    }
    if (policy->server_name == SERVER_NAME_RULE) {
        log_line(
            host, NK_LOG_WARNING,
            "federation.server_name is \"rule\": the dialled name is not checked; where the rule "
            "has a star, any member that it matches can answer for any server");
    }
    log_line(host, NK_LOG_WARNING,
             "revocation is off: no federation.crls; a stolen key is kept out by deny rules only");
}

/* With server_name "rule" nothing but a rule says which server we meant to dial. */
static bool can_name_servers(const struct policy *policy)
{
    for (size_t i = 0; i < policy->admit.len; i++) {
        const struct rule *rule = rule_list_at(&policy->admit, i);
        if ((rule_directions(rule) & NK_PEER_IS_SERVER) != 0 && rule_names_peer(rule)) {
            return true;
        }
    }
    return false;
}

static nk_status read_trust(struct policy *policy, const struct config *config, const nk_host *host,
                            nk_error *err)
{
    AUTO(free_certificates) STACK_OF(X509) *roots = NULL;
    nk_status status =
        trust_read(config->roots, config->roots_len, config->strict, host, &roots, err);
    const struct chain_settings settings = { .strict = config->strict };
    return status == NK_OK ? chain_new(roots, NULL, &settings, &policy->chain, err) : status;
}

nk_status policy_new(struct config *config, const nk_host *host, struct policy **ret_policy,
                     nk_error *err)
{
    struct policy *policy = calloc(1, sizeof(*policy));
    if (policy == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    atomic_init(&policy->references, 1);
    policy->pool = pool_new();
    policy->strict = config->strict;
    policy->all_certified = config->all_certified;
    policy->server_name = config->server_name;
    nk_status status = read_trust(policy, config, host, err);
    if (status != NK_OK) {
        policy_unref(policy);
        return status;
    }

    policy->admit = config->admit;
    policy->deny = config->deny;
    config->admit = (struct rule_list){ 0 };
    config->deny = (struct rule_list){ 0 };
    if (policy->server_name == SERVER_NAME_RULE && !can_name_servers(policy)) {
        policy_unref(policy);
        return report(err, NK_E_CONFIG,
                      "federation.server_name is \"rule\", but no admit rule for outbound has a "
                      "uri or spki_sha256");
    }
    warn_of_weakness(policy, host);
    *ret_policy = policy;
    return NK_OK;
}

struct policy *policy_ref(struct policy *policy)
{
    atomic_fetch_add_explicit(&policy->references, 1, memory_order_relaxed);
    return policy;
}

void policy_unref(struct policy *policy)
{
    if (policy == NULL ||
        atomic_fetch_sub_explicit(&policy->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    chain_free(policy->chain);
    pool_unref(policy->pool);
    rule_list_clear(&policy->admit);
    rule_list_clear(&policy->deny);
    free(policy);
}

bool policy_checks_call_host(const struct policy *policy)
{
    return policy->server_name == SERVER_NAME_TARGET;
}

static bool name_holds(struct peer *peer, nk_verdict *verdict)
{
    char description[DESCRIPTION_BYTES];
    const char *target = peer->facts.target;

    if (target == NULL) {
        verdict_deny(verdict, REASON_NAME_MISMATCH, NULL, "nobody said which name was dialled");
        return false;
    }
    int found = server_name_fits(peer->leaf, target);
    if (found < 0) {
        verdict_deny(verdict, REASON_INTERNAL, NULL, "OpenSSL could not compare names");
        return false;
    }
    if (found == 0) {
        peer_describe(peer, description, sizeof(description));
        verdict_deny(verdict, REASON_NAME_MISMATCH, NULL, "dialled %s, got %s", target,
                     description);
    }
    return found > 0;
}

/* --- judging --- */

static bool needs_identity(const struct policy *policy, const nk_peer *peer)
{
    return peer->role == NK_PEER_IS_SERVER && policy->server_name == SERVER_NAME_RULE;
}

/* The name of the admit rule, or NULL. */
static const char *admitting(const struct policy *policy, const struct traits *traits)
{
    bool identity = needs_identity(policy, traits->peer);

    if (policy->all_certified) {
        return identity ? NULL : ALL_CERTIFIED;
    }
    const struct rule *rule = identity ? rule_list_find_naming(&policy->admit, traits)
                                       : rule_list_find(&policy->admit, traits);
    return rule != NULL ? rule_name(rule) : NULL;
}

static void judge(struct policy *policy, struct peer *peer, bool dialled, nk_verdict *verdict)
{
    char description[DESCRIPTION_BYTES];
    struct chain_failure failure;
    peer_describe(peer, description, sizeof(description));

    struct chain_path path = { .certificates = NULL };
    if (!chain_holds(policy->chain, policy->pool, peer->facts.role, peer->leaf, peer->others, &path, &failure)) {
        verdict_deny(verdict, failure.reason, NULL, "%s", failure.detail);
        return;
    }
    if (!peer_set_path(peer, path.certificates, path.policies, path.policies_len)) {
        verdict_deny(verdict, REASON_INTERNAL, NULL, "no memory for what the path says");
        return;
    }
    const char *odd = rule_list_odd_name(&policy->deny, &peer->traits);
    if (odd != NULL) {
        verdict_deny(verdict, REASON_MALFORMED, NULL,
                     "the name %s is not in plain form, so the deny rules cannot be sure of it",
                     odd);
        return;
    }
    const struct rule *denied = rule_list_find(&policy->deny, &peer->traits);
    if (denied != NULL) {
        verdict_deny(verdict, REASON_DENIED, rule_name(denied), "rule %s matches %s",
                     rule_name(denied), description);
        return;
    }
    const char *admitted = admitting(policy, &peer->traits);
    if (admitted == NULL) {
        verdict_deny(verdict, REASON_NO_RULE, NULL, "no admit rule matches %s", description);
        return;
    }
    if (dialled && peer->facts.role == NK_PEER_IS_SERVER &&
        policy->server_name == SERVER_NAME_TARGET && !name_holds(peer, verdict)) {
        return;
    }
    pool_remember(policy->pool, path.certificates);
    chain_path_clear(&path);
    peer_set_rule(peer, admitted);
    snprintf(verdict->rule, sizeof(verdict->rule), "%s", admitted);
    snprintf(verdict->detail, sizeof(verdict->detail), "%s", description);
    verdict->reason[0] = '\0';
    verdict->decision = NK_ALLOW;
}

static void judge_cleanly(struct policy *policy, struct peer *peer, bool dialled,
                          nk_verdict *verdict)
{
    verdict_deny(verdict, REASON_INTERNAL, NULL, "the peer was not judged");
    peer_set_rule(peer, NULL);
    peer_forget_path(peer);
    ERR_clear_error(); /* the thread is gRPC's */
    judge(policy, peer, dialled, verdict);
    ERR_clear_error();
}

void policy_judge(struct policy *policy, struct peer *peer, nk_verdict *verdict)
{
    judge_cleanly(policy, peer, true, verdict);
}

void policy_identify(struct policy *policy, struct peer *peer, nk_verdict *verdict)
{
    judge_cleanly(policy, peer, false, verdict);
}

char *policy_explain(struct policy *policy, const struct peer *peer, const nk_verdict *verdict)
{
    struct explain_rules rules = {
        .deny = &policy->deny,
        .admit = &policy->admit,
        .all_certified = policy->all_certified,
        .needs_identity = needs_identity(policy, &peer->facts),
    };
    return explain_verdict(&rules, &peer->traits, verdict);
}

nk_status policy_check_ours(struct policy *policy, int our_role, X509 *leaf,
                            STACK_OF(X509) *intermediates, const nk_host *host, nk_error *err)
{
    return ours_check(policy->chain, policy->pool, our_role, leaf, intermediates, host, err);
}
