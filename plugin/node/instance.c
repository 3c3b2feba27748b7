/* SPDX-License-Identifier: Apache-2.0 */
#include "node/instance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/report.h"
#include "chain/reasons.h"
#include "judge/host_hook.h"
#include "node/polling_advice.h"
#include "node/reload.h"

#define PEER_TEXT_BYTES 512
#define REFUSAL_HOLDS_SECONDS 5 /* a refused peer that goes on asking is judged this often */

DEFINE_AUTO(char *, free);
DEFINE_AUTO(struct peer *, peer_free);
DEFINE_AUTO(struct policy *, policy_unref);

/* --- life --- */

nk_status core_publish(const struct core *core, nk_error *err)
{
    nk_status status = NK_OK;

    for (int role = 0; role < OUR_ROLES && status == NK_OK; role++) {
        AUTO(free) char *pem = NULL;
        status = identity_pem(core->ours[role], role, &pem, err);
        if (status == NK_OK) {
            status = publish_write(core->publication, role, pem, err);
        }
    }
    return status;
}

static nk_status open_identities(struct core *core, nk_error *err)
{
    nk_status status = NK_OK;

    for (int role = 0; role < OUR_ROLES && status == NK_OK; role++) {
        const struct identity *sibling = role > 0 ? core->ours[0] : NULL;
        if (role > 0 && core->config->one_identity) {
            /* One key, but each role's purpose is checked. */
            status = policy_check_ours(core->policy, role, sibling->leaf, sibling->intermediates,
                                       &core->host, err);
            core->ours[role] = core->ours[0];
        } else {
            status = identity_open(core->config, role, core->policy, &core->host, sibling,
                                   &core->ours[role], err);
        }
    }
    return status;
}

static unsigned slowest_us(const struct core *core)
{
    unsigned server_us = hsm_key_preflight_us(core->ours[OUR_SERVER]->key);
    unsigned client_us = hsm_key_preflight_us(core->ours[OUR_CLIENT]->key);

    return server_us > client_us ? server_us : client_us;
}

static nk_status fill(struct core *core, nk_error *err)
{
    struct config *config = core->config;

    core->first_fingerprint = reload_fingerprint(core);
    core->cache = verdict_cache_new();
    core->guards = guards_new();
    if (core->cache == NULL || core->guards == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    nk_status status = policy_memory_open(config->state_dir, &core->memory, err);
    if (status == NK_OK) {
        status = policy_new(config, &core->memory, &core->host, &core->policy, err);
    }
    if (status == NK_OK) {
        atomic_store(&core->generation, policy_generation(core->policy));
    }
    if (status == NK_OK && config->audit_file != NULL) {
        status = audit_open(config->audit_file, config->audit_per_peer_per_minute, &core->host,
                            &core->audit, err);
    }
    if (status == NK_OK) {
        status = open_identities(core, err);
    }
    if (status == NK_OK) {
        polling_advice_say(config, slowest_us(core), &core->host);
        status = publish_start(&core->publication, err);
    }
    return status == NK_OK ? core_publish(core, err) : status;
}

nk_status core_open(struct config **config, const char *path, const nk_host *host,
                    struct core **ret_core, nk_error *err)
{
    struct core *core = calloc(1, sizeof(*core));

    if (core == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    atomic_init(&core->refs, 1);
    core->forks = hsm_forks();
    pthread_mutex_init(&core->outbound_lock, NULL);
    pthread_mutex_init(&core->polling_lock, NULL);
    pthread_mutex_init(&core->policy_lock, NULL);
    pthread_mutex_init(&core->reload_lock, NULL);
    core->host = *host;
    core->config = *config;
    *config = NULL;
    core->verify_timeout_ms = core->config->verify_timeout_ms;
    core->login_timeout_ms = core->config->token.login_timeout_ms;
    core->lent_threads = core->config->lent_threads;
    core->path = path != NULL ? file_absolute(path) : NULL; /* the host may chdir */
    nk_status status = path != NULL && core->path == NULL ? report(err, NK_E_NOMEM, "out of memory")
                                                          : fill(core, err);
    if (status != NK_OK) {
        core_close(core);
        core_unref(core);
        return status;
    }
    *ret_core = core;
    return NK_OK;
}

bool core_is_here(const struct core *core)
{
    return core->forks == hsm_forks();
}

struct core *core_ref(struct core *core)
{
    atomic_fetch_add(&core->refs, 1);
    return core;
}

void core_unref(struct core *core)
{
    if (core == NULL || atomic_fetch_sub(&core->refs, 1) != 1) {
        return;
    }
    publish_remove(core->publication);
    if (core->ours[OUR_CLIENT] != core->ours[OUR_SERVER]) {
        identity_free(core->ours[OUR_CLIENT]);
    }
    identity_free(core->ours[OUR_SERVER]);
    policy_unref(core->policy);
    policy_memory_clear(&core->memory);
    if (core->audit != NULL && core_is_here(core) && hsm_enter()) { /* else it is the parent's */
        audit_close(core->audit);
        hsm_leave();
    }
    guards_free(core->guards);
    verdict_cache_free(core->cache);
    config_free(core->config);
    free(core->path);
    pthread_mutex_destroy(&core->outbound_lock);
    pthread_mutex_destroy(&core->polling_lock);
    pthread_mutex_destroy(&core->policy_lock);
    pthread_mutex_destroy(&core->reload_lock);
    free(core);
}

void core_close(struct core *core)
{
    long long deadline_ms = clock_now_ms() + core->login_timeout_ms;

    atomic_store(&core->closed, true);
    for (int role = 0; role < OUR_ROLES; role++) {
        bool twice = role > 0 && core->ours[role] == core->ours[0];
        long long left_ms = deadline_ms - clock_now_ms();
        if (core->ours[role] != NULL && !twice) {
            hsm_key_shut(core->ours[role]->key, left_ms > 0 ? (unsigned)left_ms : 0);
        }
    }
}

/* --- the policy in force --- */

struct policy *core_policy(struct core *core)
{
    pthread_mutex_lock(&core->policy_lock);
    struct policy *policy = policy_ref(core->policy);
    pthread_mutex_unlock(&core->policy_lock);
    return policy;
}

void core_enforce(struct core *core, struct policy *policy)
{
    pthread_mutex_lock(&core->policy_lock);
    struct policy *old = core->policy;
    core->policy = policy;
    atomic_store(&core->generation, policy_generation(policy));
    pthread_mutex_unlock(&core->policy_lock);
    policy_unref(old);
}

/* --- verdicts --- */

static void log_opinion(const struct core *core, uint32_t role, const char *occasion,
                        const char *who, const struct opinion *opinion)
{
    const nk_verdict *verdict = &opinion->verdict;
    const char *direction = role == NK_PEER_IS_CLIENT ? "inbound" : "outbound";
    bool connects = strcmp(occasion, "handshake") == 0;

    if (verdict->decision == NK_ALLOW) {
        log_line(&core->host, NK_LOG_DEBUG, "admitted %s peer %s by rule %s", direction, who,
                 verdict->rule);
    } else {
        log_line(&core->host, NK_LOG_WARNING, "refused %s %s %s: %s: %s", direction,
                 connects ? "peer" : "call of connected peer", who, verdict->reason,
                 verdict->detail);
    }
    if (opinion->note[0] != '\0') {
        log_line(&core->host, NK_LOG_WARNING, "%s peer %s: %s", direction, who, opinion->note);
    }
    if (opinion->has_candidate &&
        (opinion->candidate[0] != '\0') != (verdict->decision == NK_ALLOW)) {
        log_line(&core->host, NK_LOG_INFO, "admit_candidate differs for %s peer %s: %s%s",
                 direction, who, opinion->candidate[0] != '\0' ? "admitted by " : "no rule matches",
                 opinion->candidate);
    }
}

/* `peer` NULL: it could not be read. */
static void record(const struct core *core, uint32_t role, const char *occasion,
                   const struct policy *policy, const struct peer *peer,
                   const struct opinion *opinion)
{
    char who[PEER_TEXT_BYTES] = "(unreadable)";

    if (peer != NULL) {
        peer_describe(peer, who, sizeof(who));
    }
    log_opinion(core, role, occasion, who, opinion);
    if (core->audit != NULL) {
        const struct audit_entry entry = {
            .peer = peer != NULL ? &peer->facts : NULL,
            .role = role,
            .occasion = occasion,
            .verdict = &opinion->verdict,
            .candidate = opinion->has_candidate ? opinion->candidate : NULL,
            .note = opinion->note,
            .generation = policy_generation(policy),
            .policy_digest = policy_digest(policy),
        };
        audit_write(core->audit, &entry);
    }
}

/* What it showed, or the refusal to read it. */
static struct peer *read_peer(const struct showing *showing, struct opinion *opinion)
{
    struct peer *peer = NULL;
    nk_error err = { .struct_size = sizeof(err) };

    *opinion = (struct opinion){ .verdict.struct_size = sizeof(opinion->verdict) };
    if (showing->leaf_pem == NULL || showing->leaf_pem[0] == '\0') {
        verdict_deny(&opinion->verdict, REASON_NO_CERTIFICATE, NULL,
                     "the peer showed no certificate");
    } else if (peer_read(showing->role, showing->target, showing->leaf_pem, showing->chain_pem,
                         &peer, &err) != NK_OK) {
        verdict_deny(&opinion->verdict, REASON_MALFORMED, NULL, "%s", err.text);
    }
    return peer;
}

/* After every judgement: close may have come while it was made. */
static void refuse_if_closed(const struct core *core, struct opinion *opinion)
{
    if (atomic_load(&core->closed)) {
        verdict_deny(&opinion->verdict, REASON_CLOSED, NULL, "instance closed");
    }
}

static void keep_verdict(struct core *core, const struct showing *showing,
                         const struct policy *policy, const struct opinion *opinion)
{
    bool allowed = opinion->verdict.decision == NK_ALLOW;
    const struct verdict_cache_key key = {
        .role = showing->role,
        .generation = policy_generation(policy),
        .pem = showing->leaf_pem,
        .pem_len = strlen(showing->leaf_pem),
    };
    time_t now = time(NULL);
    const struct verdict_cache_span span = { now, allowed ? opinion->until
                                                          : now + REFUSAL_HOLDS_SECONDS };
    verdict_cache_put(core->cache, &key, allowed, &span);
}

static void judge(struct core *core, const struct showing *showing, struct opinion *opinion)
{
    AUTO(policy_unref) struct policy *policy = core_policy(core);
    AUTO(peer_free) struct peer *peer = read_peer(showing, opinion);

    if (peer != NULL) {
        policy_judge(policy, peer, opinion);
        refuse_if_closed(core, opinion);
        if (opinion->verdict.decision == NK_ALLOW) {
            hook_ask(core, peer, core->verify_timeout_ms, &opinion->verdict);
            refuse_if_closed(core, opinion);
        }
        if (opinion->verdict.decision == NK_ALLOW) {
            keep_verdict(core, showing, policy, opinion);
        }
    }
    record(core, showing->role, "handshake", policy, peer, opinion);
}

void core_judge(struct core *core, const struct showing *showing, nk_verdict *verdict)
{
    struct opinion opinion;

    *verdict = (nk_verdict){ .struct_size = sizeof(*verdict), .decision = NK_DENY };
    if (core_is_here(core) && hsm_enter()) {
        ERR_clear_error(); /* the thread is gRPC's: an entry it left is not our cause */
        judge(core, showing, &opinion);
        ERR_clear_error();
        hsm_leave();
        *verdict = opinion.verdict;
    }
}

/* --- connected peers --- */

static void consider(struct core *core, struct policy *policy, struct peer *peer,
                     const char *occasion, struct opinion *opinion)
{
    policy_identify(policy, peer, opinion);
    refuse_if_closed(core, opinion);
    record(core, peer->facts.role, occasion, policy, peer, opinion);
}

bool core_admits_peer(struct core *core, struct policy *policy, struct peer *peer,
                      const char *occasion, time_t *ret_until)
{
    struct opinion opinion;

    consider(core, policy, peer, occasion, &opinion);
    *ret_until = opinion.until;
    return opinion.verdict.decision == NK_ALLOW;
}

static bool judge_again(struct core *core, struct policy *policy, const struct showing *showing,
                        const char *occasion)
{
    struct opinion opinion;
    AUTO(peer_free) struct peer *peer = read_peer(showing, &opinion);

    if (peer != NULL) {
        consider(core, policy, peer, occasion, &opinion);
    } else {
        record(core, showing->role, occasion, policy, NULL, &opinion);
    }
    keep_verdict(core, showing, policy, &opinion);
    return opinion.verdict.decision == NK_ALLOW;
}

bool core_still_admits(struct core *core, const struct showing *showing, const char *occasion)
{
    if (atomic_load(&core->closed) || showing->leaf_pem == NULL || !core_is_here(core) ||
        !hsm_enter()) {
        return false;
    }
    struct policy *policy = core_policy(core);
    bool admitted = judge_again(core, policy, showing, occasion);
    policy_unref(policy);
    hsm_leave();
    return admitted;
}

/* Touches neither OpenSSL nor the policy, so the gate need not be passed. */
bool core_remembers(struct core *core, uint32_t role, const char *leaf_pem, size_t leaf_len,
                    bool *ret_allowed)
{
    const struct verdict_cache_key key = {
        .role = role,
        .generation = atomic_load(&core->generation),
        .pem = leaf_pem,
        .pem_len = leaf_len,
    };
    return core_is_here(core) && !atomic_load(&core->closed) &&
           verdict_cache_find(core->cache, &key, time(NULL), ret_allowed);
}
