/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/verdicts.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "audit/audit.h"
#include "base/clock.h"
#include "base/report.h"
#include "chain/reasons.h"
#include "hsm.h"
#include "judge/host_hook.h"
#include "judge/known_peers.h"
#include "judge/verdict_cache.h"
#include "judge/verdict_log.h"

#define REFUSAL_HOLDS_SECONDS 5 /* a refused peer that goes on asking is judged this often */

struct verdicts {
    atomic_uint refs;
    atomic_bool closed;
    unsigned forks; /* hsm_forks of the process that they serve; in a child they are not there */
    nk_host host;
    struct host_hook *hook;
    struct verdict_log *log;
    struct audit *audit;         /* NULL: none is kept */
    struct verdict_cache *cache; /* on connected peers */
    struct known_peers *known;   /* on those that connect */
    struct unfinished_handshakes unfinished;
    pthread_mutex_t policy_lock;
    struct policy *policy;    /* guarded by policy_lock */
    atomic_ullong generation; /* of it */
};

/* --- life --- */

static nk_status open_parts(struct verdicts *verdicts, struct config *config,
                            const struct policy_memory *memory, nk_error *err)
{
    verdicts->hook = host_hook_new(&verdicts->host);
    verdicts->log = verdict_log_new(&verdicts->host);
    verdicts->cache = verdict_cache_new();
    verdicts->known = known_peers_new();
    if (verdicts->hook == NULL || verdicts->log == NULL || verdicts->cache == NULL ||
        verdicts->known == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    host_hook_set_timeout(verdicts->hook, config->verify_timeout_ms);
    nk_status status = policy_new(config, memory, &verdicts->host, &verdicts->policy, err);
    if (status != NK_OK) {
        return status;
    }
    atomic_store(&verdicts->generation, policy_generation(verdicts->policy));
    if (config->audit.file == NULL) {
        return NK_OK;
    }
    return audit_open(config->audit.file, config->audit.per_peer_per_minute, &verdicts->host,
                      &verdicts->audit, err);
}

nk_status verdicts_open(struct config *config, const struct policy_memory *memory,
                        const nk_host *host, struct verdicts **ret_verdicts, nk_error *err)
{
    struct verdicts *verdicts = calloc(1, sizeof(*verdicts));

    if (verdicts == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    atomic_init(&verdicts->refs, 1);
    verdicts->forks = hsm_forks();
    verdicts->host = *host;
    pthread_mutex_init(&verdicts->policy_lock, NULL);
    nk_status status = open_parts(verdicts, config, memory, err);
    if (status != NK_OK) {
        verdicts_unref(verdicts);
        return status;
    }
    *ret_verdicts = verdicts;
    return NK_OK;
}

struct verdicts *verdicts_ref(struct verdicts *verdicts)
{
    atomic_fetch_add(&verdicts->refs, 1);
    return verdicts;
}

void verdicts_unref(struct verdicts *verdicts)
{
    if (verdicts == NULL || atomic_fetch_sub(&verdicts->refs, 1) != 1) {
        return;
    }
    policy_unref(verdicts->policy);
    if (verdicts->audit != NULL && verdicts_are_here(verdicts) && hsm_enter()) {
        audit_close(verdicts->audit); /* else it is the parent's */
        hsm_leave();
    }
    host_hook_unref(verdicts->hook);
    verdict_log_free(verdicts->log);
    verdict_cache_free(verdicts->cache);
    known_peers_free(verdicts->known);
    pthread_mutex_destroy(&verdicts->policy_lock);
    free(verdicts);
}

void verdicts_close(struct verdicts *verdicts)
{
    atomic_store(&verdicts->closed, true);
    host_hook_close(verdicts->hook);
}

bool verdicts_closed(const struct verdicts *verdicts)
{
    return atomic_load(&verdicts->closed);
}

bool verdicts_are_here(const struct verdicts *verdicts)
{
    return verdicts->forks == hsm_forks();
}

const nk_host *verdicts_host(const struct verdicts *verdicts)
{
    return &verdicts->host;
}

void verdicts_set_hook_timeout(struct verdicts *verdicts, unsigned timeout_ms)
{
    host_hook_set_timeout(verdicts->hook, timeout_ms);
}

struct unfinished_handshakes *verdicts_unfinished(struct verdicts *verdicts)
{
    return &verdicts->unfinished;
}

void verdicts_tell_held_back(struct verdicts *verdicts, bool last)
{
    verdict_log_tell(verdicts->log, clock_now_ms(), last);
}

/* --- the policy in force --- */

struct policy *verdicts_policy(struct verdicts *verdicts)
{
    pthread_mutex_lock(&verdicts->policy_lock);
    struct policy *policy = policy_ref(verdicts->policy);
    pthread_mutex_unlock(&verdicts->policy_lock);
    return policy;
}

void verdicts_enforce(struct verdicts *verdicts, struct policy *policy)
{
    pthread_mutex_lock(&verdicts->policy_lock);
    struct policy *old = verdicts->policy;
    verdicts->policy = policy;
    atomic_store(&verdicts->generation, policy_generation(policy));
    pthread_mutex_unlock(&verdicts->policy_lock);
    policy_unref(old);
}

/* --- peers that connect --- */

/* `peer` is NULL when it could not be read. */
static void record_opinion(const struct verdicts *verdicts, uint32_t role,
                           const struct occasion *occasion, const struct policy *policy,
                           const struct peer *peer, const struct opinion *opinion)
{
    verdict_log_write(verdicts->log, &(struct verdict_event){ .role = role,
                                                              .occasion = occasion->name,
                                                              .address = occasion->address,
                                                              .peer = peer,
                                                              .opinion = opinion });
    if (verdicts->audit != NULL) {
        const struct audit_entry entry = {
            .peer = peer != NULL ? &peer->facts : NULL,
            .role = role,
            .occasion = occasion->name,
            .verdict = &opinion->verdict,
            .candidate = opinion->has_candidate ? opinion->candidate : NULL,
            .note = opinion->note,
            .generation = policy_generation(policy),
            .policy_digest = policy_digest(policy),
        };
        audit_write(verdicts->audit, &entry);
    }
}

/* The peer as it showed itself, or NULL and the refusal to read it. */
static struct peer *read_peer(struct policy *policy, const struct showing *showing,
                              struct opinion *opinion)
{
    struct peer *peer = NULL;
    nk_error err = { .struct_size = sizeof(err) };

    *opinion = (struct opinion){ .verdict.struct_size = sizeof(opinion->verdict) };
    if (showing->leaf_pem == NULL || showing->leaf_pem[0] == '\0') {
        verdict_deny(&opinion->verdict, REASON_NO_CERTIFICATE, NULL,
                     "the peer showed no certificate");
    } else if (policy_read_peer(policy, showing->role, showing->target, showing->leaf_pem,
                                showing->chain_pem, &peer, &err) != NK_OK) {
        verdict_deny(&opinion->verdict, REASON_MALFORMED, NULL, "%s", err.text);
    }
    return peer;
}

/* Close may have come while the judgement was made, so this follows every one. */
static void refuse_if_closed(const struct verdicts *verdicts, struct opinion *opinion)
{
    if (atomic_load(&verdicts->closed)) {
        verdict_deny(&opinion->verdict, REASON_CLOSED, NULL, "instance closed");
    }
}

static void keep_verdict(struct verdicts *verdicts, const struct showing *showing,
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
    verdict_cache_put(verdicts->cache, &key, allowed, &span);
}

/* The policy's opinion of the peer, from memory if that still holds. The result as read_peer's. */
static struct peer *judge_shown(struct verdicts *verdicts, struct policy *policy,
                                const struct showing *showing, struct opinion *opinion)
{
    struct known_peer_key key;
    time_t now = time(NULL);
    bool has_key = known_peers_key(showing, policy, &key);
    struct peer *peer = has_key ? known_peers_find(verdicts->known, &key, now, opinion) : NULL;

    if (peer == NULL) {
        peer = read_peer(policy, showing, opinion);
        if (peer != NULL) {
            policy_judge(policy, peer, opinion);
        }
        if (peer != NULL && has_key) {
            known_peers_put(verdicts->known, &key, peer, opinion, now);
        }
    }
    return peer;
}

static void judge_connecting(struct verdicts *verdicts, const struct showing *showing,
                             struct opinion *opinion)
{
    AUTO(policy_unref) struct policy *policy = verdicts_policy(verdicts);
    AUTO(peer_free) struct peer *peer = judge_shown(verdicts, policy, showing, opinion);

    if (peer != NULL) {
        refuse_if_closed(verdicts, opinion);
        if (opinion->verdict.decision == NK_ALLOW) {
            host_hook_ask(verdicts->hook, peer, &opinion->verdict);
            refuse_if_closed(verdicts, opinion);
        }
        if (opinion->verdict.decision == NK_ALLOW) {
            keep_verdict(verdicts, showing, policy, opinion);
        }
    }
    record_opinion(verdicts, showing->role, &(struct occasion){ .name = "handshake" }, policy, peer,
                   opinion);
}

void verdicts_judge(struct verdicts *verdicts, const struct showing *showing, nk_verdict *verdict)
{
    struct opinion opinion;

    *verdict = (nk_verdict){ .struct_size = sizeof(*verdict), .decision = NK_DENY };
    if (verdicts_are_here(verdicts) && hsm_enter()) {
        ERR_clear_error(); /* the thread is gRPC's: an entry it left is not our cause */
        judge_connecting(verdicts, showing, &opinion);
        ERR_clear_error();
        hsm_leave();
        *verdict = opinion.verdict;
    }
}

/* --- connected peers --- */

static void judge_connected(struct verdicts *verdicts, struct policy *policy, struct peer *peer,
                            const struct occasion *occasion, struct opinion *opinion)
{
    policy_identify(policy, peer, opinion);
    refuse_if_closed(verdicts, opinion);
    record_opinion(verdicts, peer->facts.role, occasion, policy, peer, opinion);
}

bool verdicts_admit_peer(struct verdicts *verdicts, struct policy *policy, struct peer *peer,
                         const struct occasion *occasion, time_t *ret_until)
{
    struct opinion opinion;

    judge_connected(verdicts, policy, peer, occasion, &opinion);
    *ret_until = opinion.until;
    return opinion.verdict.decision == NK_ALLOW;
}

static bool judge_showing_again(struct verdicts *verdicts, struct policy *policy,
                                const struct showing *showing, const struct occasion *occasion)
{
    struct opinion opinion;
    AUTO(peer_free) struct peer *peer = read_peer(policy, showing, &opinion);

    if (peer != NULL) {
        judge_connected(verdicts, policy, peer, occasion, &opinion);
    } else {
        record_opinion(verdicts, showing->role, occasion, policy, NULL, &opinion);
    }
    keep_verdict(verdicts, showing, policy, &opinion);
    return opinion.verdict.decision == NK_ALLOW;
}

bool verdicts_still_admit(struct verdicts *verdicts, const struct showing *showing,
                          const char *occasion)
{
    if (atomic_load(&verdicts->closed) || showing->leaf_pem == NULL ||
        !verdicts_are_here(verdicts) || !hsm_enter()) {
        return false;
    }
    struct policy *policy = verdicts_policy(verdicts);
    bool admitted =
        judge_showing_again(verdicts, policy, showing, &(struct occasion){ .name = occasion });
    policy_unref(policy);
    hsm_leave();
    return admitted;
}

/* The cache needs neither OpenSSL nor the policy, so the exit gate need not be passed. */
bool verdicts_remember(struct verdicts *verdicts, uint32_t role, const char *leaf_pem,
                       size_t leaf_len, bool *ret_allowed)
{
    const struct verdict_cache_key key = {
        .role = role,
        .generation = atomic_load(&verdicts->generation),
        .pem = leaf_pem,
        .pem_len = leaf_len,
    };
    return verdicts_are_here(verdicts) && !atomic_load(&verdicts->closed) &&
           verdict_cache_find(verdicts->cache, &key, time(NULL), ret_allowed);
}
