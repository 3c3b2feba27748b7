/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/policy.h"

#include <stdlib.h>
#include <string.h>

#include "base/report.h"
#include "judge/digest.h"
#include "judge/own_certificate.h"
#include "judge/policy_private.h"
#include "trust/crl_ledger.h"
#include "trust/roots.h"

static void free_certificates(STACK_OF(X509) *certificates)
{
    sk_X509_pop_free(certificates, X509_free);
}
DEFINE_AUTO(STACK_OF(X509) *, free_certificates);

/* --- what outlives generations --- */

nk_status policy_memory_open(const char *state_dir, struct policy_memory *ret_memory, nk_error *err)
{
    struct policy_memory memory = { .pool = pool_new() };

    *ret_memory = (struct policy_memory){ .pool = NULL };
    if (memory.pool == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    nk_status status = crl_ledger_open(state_dir, &memory.ledger, err);
    if (status != NK_OK) {
        pool_unref(memory.pool);
        return status;
    }
    *ret_memory = memory;
    return NK_OK;
}

nk_status policy_memory_peek(const char *state_dir, struct policy_memory *ret_memory, nk_error *err)
{
    nk_status status = policy_memory_open(state_dir, ret_memory, err);
    if (status == NK_OK) {
        crl_ledger_seal(ret_memory->ledger);
    }
    return status;
}

void policy_memory_clear(struct policy_memory *memory)
{
    pool_unref(memory->pool);
    crl_ledger_free(memory->ledger);
    *memory = (struct policy_memory){ .pool = NULL };
}

const char *policy_memory_loss(const struct config *config)
{
    return config->state_dir == NULL && config->crls.len > 0
               ? "no state_dir: each start forgets the numbers of the CRLs seen, so an old one, "
                 "which revokes fewer, is taken again; name a folder of the node's (systemd: "
                 "StateDirectory=)"
               : NULL;
}

/* --- the parts of a generation --- */

static void warn_of_nobody(const struct policy *policy, const nk_host *host)
{
    if (!policy->rules->all_certified && policy->rules->admit.len == 0) {
        log_line(host, NK_LOG_WARNING,
                 "admit has no rule: nobody can come in, and no server that we dial is accepted; "
                 "name a rule, or \"" ALL_CERTIFIED "\"");
    }
}

static void warn_of_weakness(const struct policy *policy, const nk_host *host)
{
    if (!policy->settings.strict) {
        log_line(host, NK_LOG_WARNING,
                 "federation.strict is false: a certificate without extendedKeyUsage suits any "
                 "role, so any member's client certificate serves as any server's");
    }
    if (policy->rules->all_certified) {
        log_line(host, NK_LOG_WARNING,
                 "admit is \"" ALL_CERTIFIED "\": every holder of a certificate of the federation "
                 "is let in");
    }
    warn_of_nobody(policy, host);
    if (policy->settings.server_name == SERVER_NAME_RULE) {
        log_line(
            host, NK_LOG_WARNING,
            "federation.server_name is \"rule\": the dialled name is not checked; where the rule "
            "has a star, any member that it matches can answer for any server");
    }
    if (policy->settings.crl.mode == CRL_OFF) {
        log_line(host, NK_LOG_WARNING,
                 "revocation is off: no federation.crls; a stolen key is kept out by deny rules "
                 "only");
    }
    if (policy->settings.crl.mode == CRL_SOFT) {
        log_line(host, NK_LOG_WARNING,
                 "federation.crl_mode is soft: who keeps a CRL from us keeps a revoked peer in");
    }
}

/* Certificates that may have signed a CRL: the roots and the intermediates met so far. */
static STACK_OF(X509) *known_issuers(STACK_OF(X509) *roots, struct pool *pool)
{
    STACK_OF(X509) *issuers = X509_chain_up_ref(roots);

    if (issuers != NULL && !pool_append(pool, issuers)) {
        free_certificates(issuers);
        return NULL;
    }
    return issuers;
}

static nk_status read_crls(struct policy *policy, const struct policy *old,
                           const struct config *config, const struct policy_memory *memory,
                           const nk_host *host, nk_error *err)
{
    if (config->federation.crl.mode == CRL_OFF) {
        return NK_OK;
    }
    AUTO(free_certificates)
    STACK_OF(X509) *issuers = known_issuers(policy->roots, memory->pool);
    if (issuers == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    return crls_read(config->crls.paths, config->crls.len, issuers, memory->ledger,
                     old != NULL ? old->crls : NULL, host, &policy->crls, err);
}

static nk_status take_rules(struct policy *policy, struct config *config, nk_error *err)
{
    nk_status status = rule_set_new(config, &policy->rules, err);
    if (status != NK_OK) {
        return status;
    }
    if (policy->settings.server_name == SERVER_NAME_RULE &&
        !rule_set_names_servers(policy->rules)) {
        return report(err, NK_E_CONFIG,
                      "federation.server_name is \"rule\", but no admit rule for outbound has a "
                      "uri or spki_sha256");
    }
    return NK_OK;
}

/* All parts are there: the store that chains are judged by, and the digest. */
static nk_status finish_policy(struct policy *policy, nk_error *err)
{
    const struct chain_settings settings = {
        .strict = policy->settings.strict,
        .wants_policies = policy->rules->wants_policies,
        .crl = policy->settings.crl,
    };
    nk_status status =
        digest_policy(&policy->settings, policy->roots, policy->rules, policy->digest, err);
    if (status != NK_OK) {
        return status;
    }
    return chain_new(policy->roots, policy->crls, &settings, &policy->chain, err);
}

static struct policy *begin_policy(const struct config *config, const struct policy_memory *memory,
                                   uint64_t generation)
{
    struct policy *policy = calloc(1, sizeof(*policy));

    if (policy == NULL) {
        return NULL;
    }
    atomic_init(&policy->references, 1);
    policy->generation = generation;
    policy->settings = config->federation;
    policy->pool = pool_ref(memory->pool);
    return policy;
}

nk_status policy_new(struct config *config, const struct policy_memory *memory, const nk_host *host,
                     struct policy **ret_policy, nk_error *err)
{
    AUTO(policy_unref) struct policy *policy = begin_policy(config, memory, 1);
    if (policy == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    nk_status status = roots_read(config->roots.paths, config->roots.len, config->federation.strict,
                                  host, &policy->roots, err);
    if (status == NK_OK) {
        status = read_crls(policy, NULL, config, memory, host, err);
    }
    if (status == NK_OK) {
        status = take_rules(policy, config, err);
    }
    if (status == NK_OK) {
        status = finish_policy(policy, err);
    }
    if (status != NK_OK) {
        return status;
    }
    warn_of_weakness(policy, host);
    *ret_policy = policy;
    policy = NULL;
    return NK_OK;
}

/* --- the next generation --- */

/* Each part fails alone: it is logged here, and the first failure is the caller's status. */
static void note_failure(const nk_host *host, nk_status status, const nk_error *own,
                         nk_status *first, nk_error *err)
{
    if (status == NK_OK) {
        return;
    }
    log_line(host, NK_LOG_ERROR, "reload: %s; what was in force stays", own->text);
    if (*first == NK_OK) {
        *first = report_copy(err, own);
    }
}

static nk_status renew_roots(struct policy *policy, const struct policy *old,
                             const struct config *config, const nk_host *host, nk_error *err)
{
    nk_status status = roots_read(config->roots.paths, config->roots.len, config->federation.strict,
                                  host, &policy->roots, err);
    if (status != NK_OK) {
        policy->roots = X509_chain_up_ref(old->roots);
    }
    return status;
}

static nk_status renew_crls(struct policy *policy, const struct policy *old,
                            const struct config *config, const struct policy_memory *memory,
                            const nk_host *host, nk_error *err)
{
    nk_status status = read_crls(policy, old, config, memory, host, err);
    bool wanted = config->federation.crl.mode != CRL_OFF;

    if (wanted && policy->crls == NULL && old->crls != NULL) {
        policy->crls = crls_ref(old->crls);
    }
    if (wanted && policy->crls == NULL) { /* newly asked for, and not to be had */
        policy->settings.crl = old->settings.crl;
    }
    return status;
}

static nk_status renew_rules(struct policy *policy, const struct policy *old, struct config *config,
                             bool fresh, nk_error *err)
{
    if (!fresh) {
        policy->rules = rule_set_ref(old->rules);
        return NK_OK;
    }
    nk_status status = take_rules(policy, config, err);
    if (status != NK_OK) {
        rule_set_unref(policy->rules);
        policy->rules = rule_set_ref(old->rules);
        policy->settings.server_name = old->settings.server_name;
    }
    return status;
}

static bool same_crls(const struct policy *a, const struct policy *b)
{
    if (a->crls == NULL || b->crls == NULL) {
        return a->crls == b->crls;
    }
    return crls_equal(a->crls, b->crls);
}

/* The digest covers roots, settings and rules. */
static bool has_changed(const struct policy *policy, const struct policy *old)
{
    return strcmp(policy->digest, old->digest) != 0 || !same_crls(policy, old);
}

nk_status policy_renew(const struct policy *old, struct config *config, bool fresh,
                       const struct policy_memory *memory, const nk_host *host,
                       struct policy **ret_policy, nk_error *err)
{
    nk_status first = NK_OK;
    AUTO(policy_unref) struct policy *policy = begin_policy(config, memory, old->generation + 1);

    *ret_policy = NULL;
    if (policy == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    nk_error roots_err = { .struct_size = sizeof(roots_err) };
    nk_status status = renew_roots(policy, old, config, host, &roots_err);
    note_failure(host, status, &roots_err, &first, err);
    if (policy->roots == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    nk_error crls_err = { .struct_size = sizeof(crls_err) };
    status = renew_crls(policy, old, config, memory, host, &crls_err);
    note_failure(host, status, &crls_err, &first, err);
    nk_error rules_err = { .struct_size = sizeof(rules_err) };
    status = renew_rules(policy, old, config, fresh, &rules_err);
    note_failure(host, status, &rules_err, &first, err);
    nk_error whole_err = { .struct_size = sizeof(whole_err) };
    status = finish_policy(policy, &whole_err);
    note_failure(host, status, &whole_err, &first, err);
    if (status != NK_OK) {
        return first;
    }
    if (has_changed(policy, old)) {
        warn_of_nobody(policy, host);
        *ret_policy = policy;
        policy = NULL;
    }
    return first;
}

/* --- the rest of its life --- */

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
    free_certificates(policy->roots);
    crls_unref(policy->crls);
    rule_set_unref(policy->rules);
    pool_unref(policy->pool);
    free(policy);
}

uint64_t policy_generation(const struct policy *policy)
{
    return policy->generation;
}

uint64_t policy_pool_changes(const struct policy *policy)
{
    return pool_changes(policy->pool);
}

const char *policy_digest(const struct policy *policy)
{
    return policy->digest;
}

bool policy_checks_call_host(const struct policy *policy)
{
    return policy->settings.server_name == SERVER_NAME_TARGET;
}

void policy_tick(const struct policy *policy, const struct policy_memory *memory,
                 const nk_host *host)
{
    if (policy->crls == NULL) {
        return;
    }
    AUTO(free_certificates)
    STACK_OF(X509) *issuers = known_issuers(policy->roots, memory->pool);
    if (issuers != NULL) {
        crls_prove(policy->crls, issuers, memory->ledger);
    }
    crls_warn(policy->crls, time(NULL), host);
}

nk_status policy_check_ours(struct policy *policy, int our_role, X509 *leaf,
                            STACK_OF(X509) *intermediates, const nk_host *host, nk_error *err)
{
    return own_certificate_check(policy->chain, policy->pool, our_role, leaf, intermediates, host,
                                 err);
}

void policy_find_our_faults(struct policy *policy, int our_role, X509 *leaf,
                            STACK_OF(X509) *intermediates, const nk_host *host, own_fault *tell,
                            void *arg)
{
    const struct own_judges judges = { policy->chain, policy->crls, policy->settings.strict };

    own_certificate_faults(&judges, our_role, leaf, intermediates, host, tell, arg);
}

STACK_OF(X509) *policy_roots(const struct policy *policy)
{
    return policy->roots;
}

const struct crls *policy_crls(const struct policy *policy)
{
    return policy->crls;
}
