/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/node_credentials.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/report.h"
#include "config/cipher_suites.h"
#include "config/config.h"
#include "grpc/core.h"
#include "grpc/forked.h"
#include "grpc/own_threads.h"
#include "grpc/per_rpc_check.h"
#include "grpc/polling_threads.h"
#include "grpc/told_identity.h"
#include "grpc/verifier.h"
#include "grpc/watch_keepalive.h"
#include "hsm.h"

struct credentials {
    struct verdicts *verdicts;       /* counted */
    struct publication *publication; /* counted */
    unsigned lent_threads;           /* that the configuration wants */
    pthread_mutex_t shared_lock;
    struct shared *shared[OUR_ROLES]; /* guarded by shared_lock; NULL: no credentials yet */
    pthread_mutex_t polling_lock;
    struct polling_threads *polling; /* guarded by polling_lock; NULL: none run */
};

nk_status credentials_choose_core(const nk_host *host, nk_error *err)
{
    nk_status status = host->grpc_version != NULL ? core_bind(host, err) : NK_OK;

    hsm_share_threads(own_threads());
    return status;
}

bool credentials_want_signers(const nk_host *host)
{
    return core_wants_signers(host);
}

bool credentials_lend_threads(void)
{
    return core_signs_on_pollers();
}

nk_status credentials_open(struct verdicts *verdicts, unsigned lent_threads,
                           struct credentials **ret_credentials, nk_error *err)
{
    struct credentials *credentials = calloc(1, sizeof(*credentials));

    if (credentials == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    pthread_mutex_init(&credentials->shared_lock, NULL);
    pthread_mutex_init(&credentials->polling_lock, NULL);
    credentials->verdicts = verdicts_ref(verdicts);
    credentials->lent_threads = lent_threads;
    nk_status status = cipher_suites_check(err);
    if (status == NK_OK) {
        status = publication_open(verdicts_host(verdicts), &credentials->publication, err);
    }
    if (status != NK_OK) {
        credentials_free(credentials);
        return status;
    }
    *ret_credentials = credentials;
    return NK_OK;
}

void credentials_free(struct credentials *credentials)
{
    if (credentials == NULL) {
        return;
    }
    publication_unref(credentials->publication);
    verdicts_unref(credentials->verdicts);
    pthread_mutex_destroy(&credentials->shared_lock);
    pthread_mutex_destroy(&credentials->polling_lock);
    free(credentials);
}

struct publication *credentials_publication(const struct credentials *credentials)
{
    return credentials->publication;
}

static nk_status check_grpc_core(const struct credentials *credentials, int our_role, nk_error *err)
{
    if (verdicts_host(credentials->verdicts)->grpc_version == NULL) {
        return report(err, NK_E_USAGE,
                      "nk_host.grpc_version is not set; give &grpc_version_string");
    }
    if (forked_after_grpc()) {
        return report(err, NK_E_USAGE,
                      "forked: gRPC was initialised before this process was forked, so its threads "
                      "are not here and no call would end; fork first, then grpc_init and open in "
                      "each process, or exec a program of its own");
    }
    if (core()->grpc_is_initialized() == 0) {
        return report(err, NK_E_USAGE, "call grpc_init before asking for credentials");
    }
    if (verdicts_closed(credentials->verdicts)) {
        return report(err, NK_E_CLOSED, "instance closed");
    }
    return publication_check(credentials->publication, our_role, err);
}

/* With the first credentials: before that there may be no gRPC, and after it handshakes come. */
static nk_status lend_threads(struct credentials *credentials, nk_error *err)
{
    nk_status status = NK_OK;

    pthread_mutex_lock(&credentials->polling_lock);
    if (credentials->polling == NULL && credentials->lent_threads > 0 && core_signs_on_pollers() &&
        !verdicts_closed(credentials->verdicts)) {
        status = polling_threads_start(credentials->lent_threads, &credentials->polling, err);
    }
    pthread_mutex_unlock(&credentials->polling_lock);
    return status;
}

static nk_status begin_credentials(struct credentials *credentials, int our_role, nk_error *err)
{
    nk_status status = check_grpc_core(credentials, our_role, err);

    return status == NK_OK ? lend_threads(credentials, err) : status;
}

/* Options of our verifier and this provider, which both stay the caller's to release: what both
 * roles have in common. There is no other way to options. NULL: nothing was made. */
static grpc_tls_credentials_options *make_options(struct credentials *credentials,
                                                  uint32_t peer_role,
                                                  grpc_tls_certificate_provider *provider)
{
    grpc_tls_certificate_verifier_external *external =
        verifier_new(credentials->verdicts, credentials->publication, peer_role);

    if (external == NULL) {
        return NULL;
    }
    grpc_tls_certificate_verifier *verifier =
        core()->grpc_tls_certificate_verifier_external_create(external);
    grpc_tls_credentials_options *options = core()->grpc_tls_credentials_options_create();
    core_set_identity_provider(options, provider);
    core()->grpc_tls_credentials_options_set_certificate_verifier(options, verifier);
    core()->grpc_tls_certificate_verifier_release(verifier);
    return options;
}

static grpc_tls_certificate_provider *watch_file(const struct credentials *credentials,
                                                 int our_role)
{
    const char *path = publication_path(credentials->publication, our_role);
    return core_watch_file(path, PUBLICATION_WATCH_SECONDS);
}

/* gRPC's own check is off, since it would refuse before us, without a name and by laxer rules; TLS
 * still proves possession of the key. */
static grpc_server_credentials *make_server(struct credentials *credentials,
                                            grpc_tls_certificate_provider *provider)
{
    grpc_tls_credentials_options *options = make_options(credentials, NK_PEER_IS_CLIENT, provider);
    if (options == NULL) {
        return NULL;
    }
    core()->grpc_tls_credentials_options_set_cert_request_type(
        options, GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_BUT_DONT_VERIFY);
    return core()->grpc_tls_server_credentials_create(options);
}

/* A provider that credentials share, and what keeps it watched. Made with the first of them. */
struct shared {
    grpc_tls_certificate_provider *provider;
    struct keepalive *keepalive;
};

static nk_status obtain_provider(struct credentials *credentials, int our_role,
                                 grpc_tls_certificate_provider **ret_provider, nk_error *err)
{
    struct told_identity *told = publication_told(credentials->publication);

    if (told != NULL) {
        return told_identity_provider(told, our_role, ret_provider, err);
    }
    *ret_provider = watch_file(credentials, our_role);
    return NK_OK;
}

static void release_provider(struct credentials *credentials,
                             grpc_tls_certificate_provider *provider)
{
    if (publication_told(credentials->publication) == NULL) { /* else it is not ours alone */
        core()->grpc_tls_certificate_provider_release(provider);
    }
}

static nk_status start_keepalive(struct credentials *credentials, struct shared *shared,
                                 nk_error *err)
{
    char path[PATH_MAX];
    bool told = publication_told(credentials->publication) != NULL;
    grpc_server_credentials *idle = make_server(credentials, shared->provider);

    if (idle == NULL) {
        return report(err, NK_E_NOMEM, "no memory for credentials");
    }
    if (!told) {
        publication_socket(credentials->publication, path, sizeof(path));
    }
    return watch_keepalive_start(idle, told ? NULL : path, &shared->keepalive, err);
}

static nk_status start_shared(struct credentials *credentials, int our_role,
                              struct shared **ret_shared, nk_error *err)
{
    struct shared *shared = calloc(1, sizeof(*shared));

    if (shared == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    nk_status status = obtain_provider(credentials, our_role, &shared->provider, err);
    if (status == NK_OK) {
        status = start_keepalive(credentials, shared, err);
        if (status != NK_OK) {
            release_provider(credentials, shared->provider);
        }
    }
    if (status != NK_OK) {
        free(shared);
        return status;
    }
    *ret_shared = shared;
    return NK_OK;
}

static nk_status shared_provider(struct credentials *credentials, int our_role,
                                 grpc_tls_certificate_provider **ret_provider, nk_error *err)
{
    nk_status status = NK_OK;

    pthread_mutex_lock(&credentials->shared_lock);
    if (credentials->shared[our_role] == NULL) {
        status = start_shared(credentials, our_role, &credentials->shared[our_role], err);
    }
    if (credentials->shared[our_role] != NULL) {
        *ret_provider = credentials->shared[our_role]->provider;
    }
    pthread_mutex_unlock(&credentials->shared_lock);
    return status;
}

static void stop_shared(struct credentials *credentials, int our_role)
{
    pthread_mutex_lock(&credentials->shared_lock);
    struct shared *shared = credentials->shared[our_role];
    credentials->shared[our_role] = NULL;
    pthread_mutex_unlock(&credentials->shared_lock);
    if (shared != NULL) {
        release_provider(credentials, shared->provider);
        watch_keepalive_stop(shared->keepalive); /* its grpc_shutdown comes last */
        free(shared);
    }
}

void credentials_dismiss_polling(struct credentials *credentials)
{
    pthread_mutex_lock(&credentials->polling_lock);
    polling_threads_dismiss(credentials->polling);
    pthread_mutex_unlock(&credentials->polling_lock);
}

void credentials_close(struct credentials *credentials)
{
    struct told_identity *told = publication_told(credentials->publication);

    for (int role = 0; role < OUR_ROLES; role++) {
        stop_shared(credentials, role);
    }
    if (told != NULL) {
        told_identity_close(told);
    }
}

void credentials_join_polling(struct credentials *credentials, long long deadline_ms)
{
    pthread_mutex_lock(&credentials->polling_lock);
    struct polling_threads *polling = credentials->polling;
    credentials->polling = NULL;
    pthread_mutex_unlock(&credentials->polling_lock);
    polling_threads_dismiss(polling);
    unsigned missing = polling_threads_join(polling, deadline_ms);
    if (missing > 0) {
        log_line(verdicts_host(credentials->verdicts), NK_LOG_ERROR,
                 "%u of grpc.lent_threads have not come back in token.login_timeout_ms; they are "
                 "left behind, and gRPC with them",
                 missing);
    }
}

/* An older core's servers have a provider each. */
static nk_status make_shown_server(struct credentials *credentials,
                                   grpc_server_credentials **ret_made, nk_error *err)
{
    grpc_tls_certificate_provider *provider = NULL;

    if (publication_told(credentials->publication) == NULL) {
        provider = watch_file(credentials, OUR_SERVER);
        *ret_made = make_server(credentials, provider);
        core()->grpc_tls_certificate_provider_release(provider);
        return NK_OK;
    }
    nk_status status = shared_provider(credentials, OUR_SERVER, &provider, err);
    if (status == NK_OK) {
        *ret_made = make_server(credentials, provider);
    }
    return status;
}

nk_status credentials_server(struct credentials *credentials, grpc_server_credentials **ret,
                             nk_error *err)
{
    grpc_server_credentials *made = NULL;
    nk_status status = begin_credentials(credentials, OUR_SERVER, err);
    if (status == NK_OK) {
        status = make_shown_server(credentials, &made, err);
    }
    if (status != NK_OK) {
        return status;
    }
    if (made == NULL) {
        return report(err, NK_E_NOMEM, "no memory for credentials");
    }
    per_rpc_check_server(credentials->verdicts, made);
    *ret = made;
    return NK_OK;
}

/* Composed into one object, so that no channel can be had without the check per RPC. Takes over
 * `channel`. NULL: gRPC makes none. */
static grpc_channel_credentials *compose_channel(struct credentials *credentials,
                                                 grpc_channel_credentials *channel)
{
    grpc_call_credentials *check = per_rpc_check_channel(credentials->verdicts);
    grpc_channel_credentials *made =
        check != NULL ? core()->grpc_composite_channel_credentials_create(channel, check, NULL)
                      : NULL;

    if (check != NULL) {
        core()->grpc_call_credentials_release(check);
    }
    core()->grpc_channel_credentials_release(channel);
    return made;
}

static bool checks_call_host(struct credentials *credentials)
{
    struct policy *policy = verdicts_policy(credentials->verdicts);
    bool checks = policy_checks_call_host(policy);

    policy_unref(policy);
    return checks;
}

nk_status credentials_channel(struct credentials *credentials, grpc_channel_credentials **ret,
                              nk_error *err)
{
    grpc_tls_certificate_provider *provider = NULL;
    nk_status status = begin_credentials(credentials, OUR_CLIENT, err);
    if (status == NK_OK) {
        status = shared_provider(credentials, OUR_CLIENT, &provider, err);
    }
    if (status != NK_OK) {
        return status;
    }
    grpc_tls_credentials_options *options = make_options(credentials, NK_PEER_IS_SERVER, provider);
    if (options == NULL) {
        return report(err, NK_E_NOMEM, "no memory for credentials");
    }
    core()->grpc_tls_credentials_options_set_verify_server_cert(options, 0);
    core()->grpc_tls_credentials_options_set_check_call_host(options,
                                                             checks_call_host(credentials) ? 1 : 0);
    grpc_channel_credentials *channel = core()->grpc_tls_credentials_create(options);
    grpc_channel_credentials *made = channel != NULL ? compose_channel(credentials, channel) : NULL;
    if (made == NULL) {
        return report(err, NK_E_INTERNAL, "gRPC makes no channel credentials");
    }
    *ret = made;
    return NK_OK;
}
