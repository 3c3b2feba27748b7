/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/told_identity.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/report.h"
#include "config/config.h"

struct told_identity {
    pthread_mutex_t lock;
    /* guarded by lock */
    char *pem[OUR_ROLES];                               /* NULL: nothing was told yet */
    grpc_tls_certificate_provider *provider[OUR_ROLES]; /* NULL: no credentials yet */
};

nk_status told_identity_new(struct told_identity **ret_told, nk_error *err)
{
    struct told_identity *told = calloc(1, sizeof(*told));

    if (told == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
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
        free(told->pem[role]);
    }
    pthread_mutex_destroy(&told->lock);
    free(told);
}

nk_status told_identity_tell(struct told_identity *told, int our_role, const char *pem,
                             nk_error *err)
{
    char *copy = strdup(pem);

    if (copy == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    pthread_mutex_lock(&told->lock);
    bool taken =
        told->provider[our_role] == NULL || core_provider_tell(told->provider[our_role], copy);
    char *unused = copy;
    if (taken) {
        unused = told->pem[our_role];
        told->pem[our_role] = copy;
    }
    pthread_mutex_unlock(&told->lock);
    free(unused);
    return taken ? NK_OK : report(err, NK_E_INTERNAL, "gRPC does not take our certificates");
}

static grpc_tls_certificate_provider *make_provider(const char *pem)
{
    core()->grpc_init();
    grpc_tls_certificate_provider *provider = core_provider_new();
    if (core_provider_tell(provider, pem)) {
        return provider;
    }
    core()->grpc_tls_certificate_provider_release(provider);
    core()->grpc_shutdown();
    return NULL;
}

nk_status told_identity_provider(struct told_identity *told, int our_role,
                                 grpc_tls_certificate_provider **ret_provider, nk_error *err)
{
    pthread_mutex_lock(&told->lock);
    if (told->provider[our_role] == NULL) {
        told->provider[our_role] = make_provider(told->pem[our_role]);
    }
    *ret_provider = told->provider[our_role];
    pthread_mutex_unlock(&told->lock);
    return *ret_provider != NULL
               ? NK_OK
               : report(err, NK_E_INTERNAL, "gRPC does not take our certificates");
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
