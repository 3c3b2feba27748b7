/* SPDX-License-Identifier: Apache-2.0
 * The one export: the table, and what every call does first. */
#include <stdlib.h>
#include <string.h>

#include "base/callback.h"
#include "base/exit_gate.h"
#include "base/path_terms.h"
#include "base/report.h"
#include "base/text.h"
#include "grpc/node_credentials.h"
#include "grpc/peer_identity.h"
#include "grpc/signer.h"
#include "node/life.h"
#include "node/reload.h"
#include "nodekey/plugin.h"
#include "peer/claim.h"

#define EXPORT __attribute__((__visibility__("default")))

/* Copies what the host's struct has; members that it does not reach stay NULL. */
static nk_status copy_host(const nk_host *host, nk_host *ret_host, nk_error *err)
{
    if (host == NULL || !NK_HAS(nk_host, host, grpc_version)) {
        return report(err, NK_E_USAGE, "nk_host is absent, or its struct_size is not set");
    }
    nk_host copy = { .struct_size = 0 };
    size_t len = host->struct_size < sizeof(copy) ? host->struct_size : sizeof(copy);
    memcpy(&copy, host, len - len % sizeof(void *)); /* never half a pointer */
    copy.struct_size = sizeof(copy);
    if (copy.reserved != 0 || copy.reserved_2 != 0) {
        return report(err, NK_E_USAGE,
                      "nk_host.reserved or reserved_2 is not 0; a later version may give it a "
                      "meaning, which this one would not heed: zero the struct");
    }
    if ((copy.flags & ~(uint32_t)NK_HOST_TRUST_FOLDERS) != 0) {
        return report(err, NK_E_USAGE, "nk_host.flags has bits that this version does not know");
    }
    *ret_host = copy;
    return NK_OK;
}

/* Calls work on an error of their own: the host's may hold an earlier failure, which it keeps. */
static nk_status deliver(nk_error *err, const nk_error *own, nk_status status)
{
    if (status != NK_OK) {
        (void)report_copy(err, own);
    }
    return status;
}

static nk_status check_process(const nk_instance *instance, const char *call, nk_error *err)
{
    if (verdicts_are_here(instance->verdicts)) {
        return NK_OK;
    }
    return report(
        err, NK_E_USAGE,
        "%s: forked: this instance was opened by a parent of this process and works there "
        "alone; open one here, before grpc_init (keys that the parent loaded sign here "
        "through OpenSSL)",
        call);
}

/* A use of nodekey, or why there can be none. */
static nk_status enter(const nk_instance *instance, const char *call, nk_error *err)
{
    nk_status status = check_process(instance, call, err);

    if (status == NK_OK && !hsm_enter()) {
        return report(err, NK_E_CLOSED, "%s: the process exits", call);
    }
    return status;
}

/* --- life --- */

/* Where a configuration is. */
struct source {
    const char *path; /* NULL: it is text */
    const char *text;
    const char *base_dir;
};

static nk_status begin_life(const nk_host *host, const struct source *source, nk_instance **ret,
                            nk_error *err)
{
    AUTO(config_free) struct config *config = NULL;
    nk_status status = source->path != NULL
                           ? config_read(source->path, &config, err)
                           : config_parse(source->text, source->base_dir, &config, err);

    return status == NK_OK ? life_begin(&config, source->path, host, ret, err) : status;
}

static const nk_plugin table;

static nk_status open_source(const nk_host *host, const struct source *source, nk_instance **ret,
                             nk_error *err)
{
    nk_host own_host = { .struct_size = 0 };
    nk_error own = { .struct_size = sizeof(own) };

    nk_status status = hsm_check_crypto(&own);
    if (status == NK_OK) {
        exit_gate_keep_openssl();
        signer_set_plugin(&table);
        status = copy_host(host, &own_host, &own);
    }
    if (status != NK_OK) {
        return deliver(err, &own, status);
    }
    AUTO(path_terms_unref)
    struct path_terms *terms = path_terms_new((own_host.flags & NK_HOST_TRUST_FOLDERS) != 0);
    if (terms == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    struct path_terms *former = path_terms_use(terms);
    status = begin_life(&own_host, source, ret, &own);
    path_terms_restore(former);
    path_terms_tell(terms, &own_host);
    return deliver(err, &own, status);
}

static nk_status plugin_open_file(const nk_host *host, const char *path, nk_instance **ret,
                                  nk_error *err)
{
    const struct source source = { .path = path };

    if (path == NULL || ret == NULL || !report_is_ready(err)) {
        return report(err, NK_E_USAGE, "open_file: path or ret is NULL");
    }
    return open_source(host, &source, ret, err);
}

static nk_status plugin_open_text(const nk_host *host, const char *text, const char *base_dir,
                                  nk_instance **ret, nk_error *err)
{
    const struct source source = { .text = text, .base_dir = base_dir };

    if (text == NULL || base_dir == NULL || ret == NULL || !report_is_ready(err)) {
        return report(err, NK_E_USAGE, "open_text: text, base_dir or ret is NULL");
    }
    return open_source(host, &source, ret, err);
}

static nk_status plugin_close(nk_instance *instance, nk_error *err)
{
    if (callback_active()) {
        return report(
            err, NK_E_USAGE,
            "close was called from one of our callbacks, which it would wait for; call it "
            "from another thread");
    }
    if (instance != NULL) {
        life_end(instance);
    }
    return NK_OK;
}

/* --- credentials --- */

static bool is_role(uint32_t role)
{
    return role == NK_PEER_IS_CLIENT || role == NK_PEER_IS_SERVER;
}

static nk_status plugin_server_credentials(nk_instance *instance,
                                           struct grpc_server_credentials **ret, nk_error *err)
{
    nk_error own = { .struct_size = sizeof(own) };

    if (instance == NULL || ret == NULL || !report_is_ready(err)) {
        return report(err, NK_E_USAGE, "server_credentials: instance or ret is NULL");
    }
    nk_status status = check_process(instance, "server_credentials", &own);
    if (status == NK_OK) {
        status = credentials_server(instance->credentials, ret, &own);
    }
    return deliver(err, &own, status);
}

static nk_status plugin_channel_credentials(nk_instance *instance,
                                            struct grpc_channel_credentials **ret, nk_error *err)
{
    nk_error own = { .struct_size = sizeof(own) };

    if (instance == NULL || ret == NULL || !report_is_ready(err)) {
        return report(err, NK_E_USAGE, "channel_credentials: instance or ret is NULL");
    }
    nk_status status = check_process(instance, "channel_credentials", &own);
    if (status == NK_OK) {
        status = credentials_channel(instance->credentials, ret, &own);
    }
    return deliver(err, &own, status);
}

static nk_status plugin_signer(nk_instance *instance, uint32_t role, nk_signer **ret, nk_error *err)
{
    nk_error own = { .struct_size = sizeof(own) };

    if (instance == NULL || ret == NULL || !is_role(role) || !report_is_ready(err)) {
        return report(err, NK_E_USAGE, "signer: instance or ret is NULL, or role is unknown");
    }
    nk_status status = enter(instance, "signer", &own);
    if (status == NK_OK) {
        status = instance_signer(instance, role == NK_PEER_IS_CLIENT ? OUR_SERVER : OUR_CLIENT, ret,
                                 &own);
        hsm_leave();
    }
    return deliver(err, &own, status);
}

/* --- peers --- */

/* The arguments of check_peer. */
struct question {
    uint32_t role;
    const char *target;
    const char *pem;
    size_t pem_len;
};

static nk_status check_question(const nk_instance *instance, const struct question *question,
                                nk_error *err)
{
    if (instance == NULL || question->pem == NULL || !is_role(question->role)) {
        return report(err, NK_E_USAGE, "check_peer: instance or pem is NULL, or role is unknown");
    }
    if (question->target != NULL && !text_is(question->target, TEXT_VISIBLE)) {
        return report(err, NK_E_USAGE, "check_peer: target is not a host name or address");
    }
    if (question->pem_len > PEER_CHAIN_MAX_BYTES ||
        memchr(question->pem, '\0', question->pem_len) != NULL) {
        return report(err, NK_E_PEER, "the peer's PEM is longer than %u bytes, or holds a NUL byte",
                      PEER_CHAIN_MAX_BYTES);
    }
    return NK_OK;
}

/* The host's struct may be longer than ours; its size stays. */
static void hand_over(const nk_verdict *ours, nk_verdict *theirs)
{
    uint32_t size = theirs->struct_size;

    *theirs = *ours;
    theirs->struct_size = size;
}

static nk_status judge_text(struct verdicts *verdicts, const struct question *question,
                            nk_verdict *verdict, char **ret_json, nk_error *err)
{
    AUTO(peer_free) struct peer *peer = NULL;
    AUTO(free) char *text = strndup(question->pem, question->pem_len);
    if (text == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    nk_status status = peer_read(question->role, question->target, text, NULL, &peer, err);
    if (status != NK_OK) {
        return status;
    }
    AUTO(policy_unref) struct policy *policy = verdicts_policy(verdicts);
    struct opinion opinion;
    if (ret_json == NULL) {
        policy_judge(policy, peer, &opinion);
        hand_over(&opinion.verdict, verdict);
        return NK_OK;
    }
    char *json = policy_explain(policy, peer, true, &opinion);
    hand_over(&opinion.verdict, verdict);
    if (json == NULL) {
        verdict->decision = NK_DENY;
        return report(err, NK_E_NOMEM, "out of memory");
    }
    *ret_json = json;
    return NK_OK;
}

static nk_status plugin_check_peer(nk_instance *instance, uint32_t role, const char *target,
                                   const char *pem, size_t pem_len, nk_verdict *verdict,
                                   char **ret_json, nk_error *err)
{
    const struct question question = { role, target, pem, pem_len };
    nk_error own = { .struct_size = sizeof(own) };

    if (verdict != NULL && NK_HAS(nk_verdict, verdict, decision)) {
        verdict->decision = NK_DENY;
    }
    if (verdict == NULL || !NK_HAS(nk_verdict, verdict, detail) || !report_is_ready(err)) {
        return report(err, NK_E_USAGE, "check_peer: verdict is NULL, or a struct_size is not set");
    }
    nk_status status = check_question(instance, &question, &own);
    if (status == NK_OK) {
        status = enter(instance, "check_peer", &own);
    }
    if (status == NK_OK) {
        status = judge_text(instance->verdicts, &question, verdict, ret_json, &own);
        hsm_leave();
    }
    return deliver(err, &own, status);
}

static nk_status plugin_peer_identity(nk_instance *instance, uint32_t role,
                                      const struct grpc_auth_context *context, nk_peer **ret,
                                      nk_error *err)
{
    nk_error own = { .struct_size = sizeof(own) };

    if (instance == NULL || context == NULL || ret == NULL || !is_role(role) ||
        !report_is_ready(err)) {
        return report(err, NK_E_USAGE,
                      "peer_identity: instance, context or ret is NULL, or role is unknown");
    }
    nk_status status = enter(instance, "peer_identity", &own);
    if (status == NK_OK) {
        status = peer_identity_read(instance->verdicts, role, context, ret, &own);
        hsm_leave();
    }
    return deliver(err, &own, status);
}

static nk_status plugin_claims(const nk_peer *peer, const char *claim, nk_error *err)
{
    if (peer == NULL || claim == NULL || !report_is_ready(err)) {
        return report(err, NK_E_USAGE, "check_claim: peer or claim is NULL");
    }
    return claim_check(peer, claim, err);
}

/* --- live connections --- */

static nk_status check_call(const nk_instance *instance, const struct grpc_call *call,
                            const char *name, nk_error *err)
{
    if (instance == NULL || call == NULL || !report_is_ready(err)) {
        return report(err, NK_E_USAGE, "%s: instance or call is NULL", name);
    }
    return NK_OK;
}

static nk_status plugin_guard_call(nk_instance *instance, uint32_t role, struct grpc_call *call,
                                   nk_error *err)
{
    nk_error own = { .struct_size = sizeof(own) };
    nk_status status = check_call(instance, call, "guard_call", err);

    if (status != NK_OK) {
        return status;
    }
    if (!is_role(role)) {
        return report(err, NK_E_USAGE, "guard_call: role is unknown");
    }
    status = enter(instance, "guard_call", &own);
    if (status == NK_OK) {
        status = guard_add(instance->guards, instance->verdicts, role, call, &own);
        hsm_leave();
    }
    return deliver(err, &own, status);
}

static nk_status plugin_unguard_call(nk_instance *instance, struct grpc_call *call, nk_error *err)
{
    nk_error own = { .struct_size = sizeof(own) };
    nk_status status = check_call(instance, call, "unguard_call", err);

    if (status != NK_OK) {
        return status;
    }
    status = enter(instance, "unguard_call", &own);
    if (status == NK_OK) {
        status = guard_remove(instance->guards, call, &own);
        hsm_leave();
    }
    return deliver(err, &own, status);
}

static nk_status plugin_reload(nk_instance *instance, nk_error *err)
{
    nk_error own = { .struct_size = sizeof(own) };

    if (instance == NULL || !report_is_ready(err) || callback_active()) {
        return report(err, NK_E_USAGE,
                      "reload: instance is NULL, or it was called from one of our callbacks");
    }
    nk_status status = enter(instance, "reload", &own);
    if (status == NK_OK) {
        status = reload_now(instance, RELOAD_SAYS_ALL, &own);
        hsm_leave();
    }
    return deliver(err, &own, status);
}

/* --- what comes later --- */

static nk_status later(const char *name, nk_error *err)
{
    return report(err, NK_E_UNSUPPORTED, "%s is not in this version (" NODEKEY_VERSION ")", name);
}

static nk_status later_text(nk_instance *instance, char **ret_text, nk_error *err)
{
    (void)instance, (void)ret_text;
    return later("status and metrics", err);
}

static void plugin_free_text(char *text)
{
    free(text);
}

static const nk_plugin table = {
    .struct_size = (uint32_t)sizeof(table),
    .abi_major = NK_ABI_MAJOR,
    .abi_minor = NK_ABI_MINOR,
    .version = NODEKEY_VERSION,
    .open_file = plugin_open_file,
    .open_text = plugin_open_text,
    .close = plugin_close,
    .server_credentials = plugin_server_credentials,
    .channel_credentials = plugin_channel_credentials,
    .check_peer = plugin_check_peer,
    .peer_identity = plugin_peer_identity,
    .guard_call = plugin_guard_call,
    .unguard_call = plugin_unguard_call,
    .reload = plugin_reload,
    .status = later_text,
    .metrics = later_text,
    .free_text = plugin_free_text,
    .free_peer = peer_identity_free,
    .check_claim = plugin_claims,
    .signer = plugin_signer,
    .signer_chain = signer_chain,
    .signer_is_quick = signer_is_quick,
    .sign = signer_sign,
    .sign_start = signer_start,
    .sign_cancel = signer_cancel,
    .signing_free = signer_free_signing,
    .signer_ref = signer_ref,
    .signer_free = signer_free,
};

EXPORT const nk_plugin *nodekey_plugin_v0(void);
const nk_plugin *nodekey_plugin_v0(void)
{
    return &table;
}
