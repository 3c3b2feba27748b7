/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/told_identity.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/callback.h"
#include "base/report.h"
#include "config/config.h"
#include "grpc/signer.h"
#include "hsm.h"

#define ED25519 0x0807 /* its SignatureScheme */
/* With a chain of 93 KB, and BoringSSL takes none above 100, a session holds 0.9 MiB. */
#define SESSIONS_MAX 16

/* Our identity of one role, as gRPC is told it. */
struct told {
    char *pem;                  /* NULL: nothing yet */
    nk_signer *signer;          /* NULL: the core takes the reference in `pem` */
    unsigned long long dropped; /* of what signer_tls_12 counts */
};

struct told_identity {
    nk_host host;
    pthread_mutex_t lock;
    /* guarded by lock */
    struct told told[OUR_ROLES];
    grpc_tls_certificate_provider *provider[OUR_ROLES]; /* NULL: no credentials yet */
};

static void clear_told(struct told *told)
{
    free(told->pem);
    signer_free(told->signer);
}

nk_status told_identity_new(const nk_host *host, struct told_identity **ret_told, nk_error *err)
{
    struct told_identity *told = calloc(1, sizeof(*told));

    if (told == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    told->host = *host;
    pthread_mutex_init(&told->lock, NULL);
    *ret_told = told;
    return NK_OK;
}

void told_identity_free(struct told_identity *told)
{
    if (told == NULL) {
        return;
    }
    for (int role = 0; role < OUR_ROLES; role++) {
        clear_told(&told->told[role]);
    }
    pthread_mutex_destroy(&told->lock);
    free(told);
}

/* --- telling --- */

static nk_status give_signer(const nk_host *host, grpc_tls_certificate_provider *provider,
                             const struct told *what, nk_error *err)
{
    callback_enter();
    nk_status status =
        host->set_identity(host->host_data, signer_plugin(), provider, what->signer, what->pem);
    callback_leave();
    return status == NK_OK
               ? NK_OK
               : report(err, status,
                        "nk_host.set_identity answers %d: gRPC core %s does not take our "
                        "certificates and a signer; gRPC on BoringSSL does since 1.80",
                        (int)status, host->grpc_version());
}

static nk_status tell_provider(const nk_host *host, grpc_tls_certificate_provider *provider,
                               const struct told *what, nk_error *err)
{
    if (what->signer != NULL) {
        return give_signer(host, provider, what, err);
    }
    return core_provider_tell(provider, what->pem)
               ? NK_OK
               : report(err, NK_E_INTERNAL, "gRPC does not take our certificates");
}

static nk_status prepare_told(const nk_host *host, struct hsm_key *key, int our_role,
                              const char *pem, struct told *ret_told, nk_error *err)
{
    if (core_wants_signers(host)) {
        if (hsm_key_signs(key, ED25519)) {
            return report(err, NK_E_IDENTITY,
                          "gRPC on BoringSSL has no Ed25519: neither peers nor this node's TLS "
                          "take the %s's key; enrol with P-256 (nodekey enroll --key-type P-256)",
                          our_role == OUR_SERVER ? "server" : "client");
        }
        nk_status status = signer_new(key, our_role, pem, &ret_told->signer, err);
        if (status != NK_OK) {
            return status;
        }
    }
    ret_told->pem = strdup(pem);
    return ret_told->pem != NULL ? NK_OK : report(err, NK_E_NOMEM, "out of memory");
}

nk_status told_identity_tell(struct told_identity *told, int our_role, struct hsm_key *key,
                             const char *pem, nk_error *err)
{
    struct told next = { .pem = NULL };

    nk_status status = prepare_told(&told->host, key, our_role, pem, &next, err);
    if (status == NK_OK) {
        pthread_mutex_lock(&told->lock);
        if (told->provider[our_role] != NULL) {
            status = tell_provider(&told->host, told->provider[our_role], &next, err);
        }
        if (status == NK_OK) {
            struct told former = told->told[our_role];
            told->told[our_role] = next;
            next = former;
        }
        pthread_mutex_unlock(&told->lock);
    }
    clear_told(&next);
    return status;
}

static bool may_keep_many(const struct told *told)
{
    return told->signer != NULL && signer_tls_12(told->signer) - told->dropped >= SESSIONS_MAX;
}

void told_identity_drop_sessions(struct told_identity *told)
{
    nk_error err = { .struct_size = sizeof(err) };
    struct told *ours = &told->told[OUR_SERVER];

    pthread_mutex_lock(&told->lock);
    grpc_tls_certificate_provider *provider = told->provider[OUR_SERVER];
    if (provider != NULL && may_keep_many(ours)) {
        ours->dropped = signer_tls_12(ours->signer);
        if (give_signer(&told->host, provider, ours, &err) != NK_OK) {
            log_line(&told->host, NK_LOG_WARNING, "gRPC keeps sessions of TLS 1.2: %s", err.text);
        }
    }
    pthread_mutex_unlock(&told->lock);
}

/* --- providers --- */

static nk_status make_provider(const nk_host *host, const struct told *what,
                               grpc_tls_certificate_provider **ret_provider, nk_error *err)
{
    core()->grpc_init();
    grpc_tls_certificate_provider *provider = core_provider_new();
    nk_status status = tell_provider(host, provider, what, err);
    if (status == NK_OK) {
        *ret_provider = provider;
        return NK_OK;
    }
    core()->grpc_tls_certificate_provider_release(provider);
    core()->grpc_shutdown();
    return status;
}

nk_status told_identity_provider(struct told_identity *told, int our_role,
                                 grpc_tls_certificate_provider **ret_provider, nk_error *err)
{
    nk_status status = NK_OK;

    pthread_mutex_lock(&told->lock);
    if (told->provider[our_role] == NULL) {
        status = make_provider(&told->host, &told->told[our_role], &told->provider[our_role], err);
    }
    *ret_provider = told->provider[our_role];
    pthread_mutex_unlock(&told->lock);
    return status;
}

void told_identity_close(struct told_identity *told)
{
    for (int role = 0; role < OUR_ROLES; role++) {
        pthread_mutex_lock(&told->lock);
        grpc_tls_certificate_provider *provider = told->provider[role];
        told->provider[role] = NULL;
        pthread_mutex_unlock(&told->lock);
        if (provider != NULL) {
            core()->grpc_tls_certificate_provider_release(provider);
            core()->grpc_shutdown();
        }
    }
}
