/* SPDX-License-Identifier: Apache-2.0 */
#include "node/instance.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/path_terms.h"
#include "base/report.h"
#include "grpc/signer.h"
#include "node/changed_files.h"
#include "node/polling_advice.h"

nk_status instance_publish(const struct nk_instance *instance, nk_error *err)
{
    nk_status status = NK_OK;

    for (int role = 0; role < OUR_ROLES && status == NK_OK; role++) {
        AUTO(free) char *pem = NULL;
        status = credentials_want_signers(verdicts_host(instance->verdicts))
                     ? identity_chain(instance->ours[role], &pem, err)
                     : identity_pem(instance->ours[role], role, &pem, err);
        if (status == NK_OK) {
            status = publication_write(credentials_publication(instance->credentials), role,
                                       instance->ours[role]->key, pem, err);
        }
    }
    return status;
}

nk_status instance_signer(struct nk_instance *instance, int our_role, nk_signer **ret_signer,
                          nk_error *err)
{
    AUTO(free) char *chain = NULL;

    pthread_mutex_lock(&instance->reload_lock);
    nk_status status = identity_chain(instance->ours[our_role], &chain, err);
    pthread_mutex_unlock(&instance->reload_lock);
    return status == NK_OK
               ? signer_new(instance->ours[our_role]->key, our_role, chain, ret_signer, err)
               : status;
}

void instance_tell_policy(const struct policy *policy, const nk_host *host)
{
    log_line(host, NK_LOG_INFO, "policy generation %llu is in force, digest %s",
             (unsigned long long)policy_generation(policy), policy_digest(policy));
}

/* Whoever compares nodes has the digest from their first lines on. */
static void tell_first_policy(struct nk_instance *instance)
{
    AUTO(policy_unref) struct policy *policy = verdicts_policy(instance->verdicts);

    instance_tell_policy(policy, verdicts_host(instance->verdicts));
}

static nk_status open_identities(struct nk_instance *instance, nk_error *err)
{
    const nk_host *host = verdicts_host(instance->verdicts);
    AUTO(policy_unref) struct policy *policy = verdicts_policy(instance->verdicts);
    nk_status status = NK_OK;

    for (int role = 0; role < OUR_ROLES && status == NK_OK; role++) {
        const struct identity *sibling = role > 0 ? instance->ours[0] : NULL;
        if (role > 0 && instance->config->one_identity) {
            /* One key, but each role's purpose is checked. */
            status = policy_check_ours(policy, role, sibling->chain.leaf,
                                       sibling->chain.intermediates, host, err);
            instance->ours[role] = instance->ours[0];
        } else {
            status = identity_open(instance->config, role, policy, host, sibling,
                                   &instance->ours[role], err);
        }
    }
    return status;
}

static unsigned slowest_us(const struct nk_instance *instance)
{
    unsigned server_us = hsm_key_preflight_us(instance->ours[OUR_SERVER]->key);
    unsigned client_us = hsm_key_preflight_us(instance->ours[OUR_CLIENT]->key);

    return server_us > client_us ? server_us : client_us;
}

static void warn_of_forgetting(const struct config *config, const nk_host *host)
{
    const char *loss = policy_memory_loss(config);

    if (loss != NULL) {
        log_line(host, NK_LOG_WARNING, "%s", loss);
    }
}

static const char *signed_how(const struct identity *identity)
{
    return key_is_quick(identity->key) ? "at once" : "asynchronously";
}

static void tell_of_signers(const struct nk_instance *instance, const nk_host *host)
{
    if (credentials_want_signers(host)) {
        log_line(host, NK_LOG_INFO,
                 "gRPC core %s carries BoringSSL and gets signatures from nk_host.set_identity's "
                 "signers, the server's %s, the client's %s; members with Ed25519 or P-521 keys "
                 "cannot be reached, nor reach us",
                 host->grpc_version(), signed_how(instance->ours[OUR_SERVER]),
                 signed_how(instance->ours[OUR_CLIENT]));
    }
}

static nk_status open_parts(struct nk_instance *instance, const nk_host *host, nk_error *err)
{
    struct config *config = instance->config;

    instance->first_fingerprint = changed_files_fingerprint(instance->path, config);
    instance->guards = guards_new();
    if (instance->guards == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    nk_status status = credentials_choose_core(host, err);
    if (status == NK_OK) {
        status = policy_memory_open(config->state_dir, &instance->memory, err);
    }
    if (status == NK_OK) {
        warn_of_forgetting(config, host);
        status = verdicts_open(config, &instance->memory, host, &instance->verdicts, err);
    }
    if (status == NK_OK) {
        tell_first_policy(instance);
        status = open_identities(instance, err);
    }
    if (status == NK_OK) {
        tell_of_signers(instance, host);
        polling_advice_say(config, slowest_us(instance), credentials_lend_threads(), host);
        status =
            credentials_open(instance->verdicts, config->lent_threads, &instance->credentials, err);
    }
    return status == NK_OK ? instance_publish(instance, err) : status;
}

nk_status instance_open(struct config **config, const char *path, const nk_host *host,
                        struct nk_instance **ret_instance, nk_error *err)
{
    struct nk_instance *instance = calloc(1, sizeof(*instance));

    if (instance == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    pthread_mutex_init(&instance->reload_lock, NULL);
    instance->path_terms = path_terms_ref(path_terms());
    instance->config = *config;
    *config = NULL;
    instance->login_timeout_ms = instance->config->token.login_timeout_ms;
    instance->path = path != NULL ? file_absolute(path) : NULL; /* the host may chdir */
    nk_status status = path != NULL && instance->path == NULL
                           ? report(err, NK_E_NOMEM, "out of memory")
                           : open_parts(instance, host, err);
    if (status != NK_OK) {
        instance_shut(instance);
        instance_free(instance);
        return status;
    }
    *ret_instance = instance;
    return NK_OK;
}

void instance_shut(struct nk_instance *instance)
{
    long long deadline_ms = clock_now_ms() + instance->login_timeout_ms;

    if (instance->verdicts != NULL) { /* else opening failed before */
        verdicts_close(instance->verdicts);
    }
    for (int role = 0; role < OUR_ROLES; role++) {
        bool twice = role > 0 && instance->ours[role] == instance->ours[0];
        long long left_ms = deadline_ms - clock_now_ms();
        if (instance->ours[role] != NULL && !twice) {
            hsm_key_shut(instance->ours[role]->key, left_ms > 0 ? (unsigned)left_ms : 0);
        }
    }
}

void instance_free(struct nk_instance *instance)
{
    if (instance == NULL) {
        return;
    }
    credentials_free(instance->credentials);
    if (instance->ours[OUR_CLIENT] != instance->ours[OUR_SERVER]) {
        identity_free(instance->ours[OUR_CLIENT]);
    }
    identity_free(instance->ours[OUR_SERVER]);
    verdicts_unref(instance->verdicts);
    policy_memory_clear(&instance->memory);
    guards_free(instance->guards);
    config_free(instance->config);
    path_terms_unref(instance->path_terms);
    free(instance->path);
    pthread_mutex_destroy(&instance->reload_lock);
    free(instance);
}
