/* SPDX-License-Identifier: Apache-2.0 */
#include "core.h"

#include <stdlib.h>

#include <openssl/err.h>

#include "hook.h"
#include "reasons.h"
#include "report.h"

#define PEER_TEXT_BYTES 512

DEFINE_AUTO(char *, free);
DEFINE_AUTO(struct peer *, peer_free);

static nk_status publish(struct core *core, nk_error *err)
{
    nk_status status = publish_start(&core->publication, err);

    for (int role = 0; role < OUR_ROLES && status == NK_OK; role++) {
        AUTO(free) char *pem = NULL;
        status = identity_pem(core->ours[role], &pem, err);
        if (status == NK_OK) {
            status = publish_write(core->publication, role, pem, err);
        }
    }
    return status;
}

static nk_status fill(struct core *core, struct config *config, nk_error *err)
{
    nk_status status = policy_new(config, &core->host, &core->policy, err);

    for (int role = 0; role < OUR_ROLES && status == NK_OK; role++) {
        const struct identity *sibling = role > 0 ? core->ours[0] : NULL;
        if (role > 0 && config->one_identity) {
            /* One key, but each role's purpose is checked. */
            status = policy_check_ours(core->policy, role, sibling->leaf, sibling->intermediates,
                                       &core->host, err);
            core->ours[role] = core->ours[0];
        } else {
            status = identity_open(config, role, core->policy, &core->host, sibling,
                                   &core->ours[role], err);
        }
    }
    return status == NK_OK ? publish(core, err) : status;
}

nk_status core_open(struct config *config, const nk_host *host, struct core **ret_core,
                    nk_error *err)
{
    struct core *core = calloc(1, sizeof(*core));

    if (core == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    atomic_init(&core->refs, 1);
    pthread_mutex_init(&core->outbound_lock, NULL);
    core->host = *host;
    core->verify_timeout_ms = config->verify_timeout_ms;
    core->login_timeout_ms = config->login_timeout_ms;
    nk_status status = fill(core, config, err);
    if (status != NK_OK) {
        core_close(core);
        core_unref(core);
        return status;
    }
    *ret_core = core;
    return NK_OK;
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
    pthread_mutex_destroy(&core->outbound_lock);
    free(core);
}

void core_close(struct core *core)
{
    atomic_store(&core->closed, true);
    for (int role = 0; role < OUR_ROLES; role++) {
        bool twice = role > 0 && core->ours[role] == core->ours[0];
        if (core->ours[role] != NULL && !twice) {
            hsm_key_shut(core->ours[role]->key, core->login_timeout_ms);
        }
    }
}

static void log_verdict(const struct core *core, uint32_t role, const char *who,
                        const nk_verdict *verdict)
{
    const char *direction = role == NK_PEER_IS_CLIENT ? "inbound" : "outbound";

    if (verdict->decision == NK_ALLOW) {
        log_line(&core->host, NK_LOG_DEBUG, "admitted %s peer %s by rule %s", direction, who,
                 verdict->rule);
    } else {
        log_line(&core->host, NK_LOG_WARNING, "refused %s peer %s: %s: %s", direction, who,
                 verdict->reason, verdict->detail);
    }
}

static void judge(struct core *core, uint32_t role, const char *target, const char *leaf_pem,
                  const char *chain_pem, nk_verdict *verdict)
{
    AUTO(peer_free) struct peer *peer = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    char who[PEER_TEXT_BYTES] = "(unreadable)";

    ERR_clear_error(); /* the thread is gRPC's: an entry it left is not our cause */
    if (leaf_pem == NULL || leaf_pem[0] == '\0') {
        verdict_deny(verdict, REASON_NO_CERTIFICATE, NULL, "the peer showed no certificate");
    } else if (peer_read(role, target, leaf_pem, chain_pem, &peer, &err) != NK_OK) {
        verdict_deny(verdict, REASON_MALFORMED, NULL, "%s", err.text);
    } else {
        peer_describe(peer, who, sizeof(who));
        if (atomic_load(&core->closed)) {
            verdict_deny(verdict, REASON_CLOSED, NULL, "instance closed");
        } else {
            policy_judge(core->policy, peer, verdict);
        }
        if (verdict->decision == NK_ALLOW) {
            hook_ask(core, &peer, core->verify_timeout_ms, verdict);
        }
        if (verdict->decision == NK_ALLOW && atomic_load(&core->closed)) { /* while the hook ran */
            verdict_deny(verdict, REASON_CLOSED, NULL, "instance closed");
        }
    }
    ERR_clear_error();
    log_verdict(core, role, who, verdict);
}

void core_judge(struct core *core, uint32_t role, const char *target, const char *leaf_pem,
                const char *chain_pem, nk_verdict *verdict)
{
    *verdict = (nk_verdict){ .struct_size = sizeof(*verdict), .decision = NK_DENY };
    if (hsm_enter()) {
        judge(core, role, target, leaf_pem, chain_pem, verdict);
        hsm_leave();
    }
}
