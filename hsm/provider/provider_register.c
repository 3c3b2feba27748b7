/* SPDX-License-Identifier: Apache-2.0
 * Becoming known to the process's OpenSSL without taking anything over. */
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include "base/fork.h"
#include "base/report.h"
#include "hsm.h"
#include "provider/provider.h"
#include "scheme/key_kinds.h"

static pthread_mutex_t register_lock = PTHREAD_MUTEX_INITIALIZER;
static OSSL_PROVIDER *registered; /* guarded by register_lock; never unloaded */
FORK_PART(.lock = &register_lock);

#define NAMES_ROW(id, type, more, signature, ...) { type, signature },
static const struct {
    const char *keymgmt;
    const char *signature;
} names[] = { KEY_TYPES(NAMES_ROW) };

/* Fetches as a plain program would; true when a method is ours. A fetch before our provider is
 * loaded makes OpenSSL construct the default provider's methods first: the first in its store
 * serves every plain fetch from then on. */
static bool ordinary_keys_are_ours(void)
{
    bool ours = false;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        EVP_KEYMGMT *keymgmt = EVP_KEYMGMT_fetch(NULL, names[i].keymgmt, NULL);
        EVP_SIGNATURE *signature = EVP_SIGNATURE_fetch(NULL, names[i].signature, NULL);
        ours |= keymgmt != NULL && EVP_KEYMGMT_get0_provider(keymgmt) == registered;
        ours |= signature != NULL && EVP_SIGNATURE_get0_provider(signature) == registered;
        EVP_KEYMGMT_free(keymgmt);
        EVP_SIGNATURE_free(signature);
    }
    return ours;
}

static nk_status load_provider(nk_error *err)
{
    (void)ordinary_keys_are_ours();
    if (OSSL_PROVIDER_add_builtin(NULL, PROVIDER_BUILTIN_NAME, provider_init) != 1) {
        return report_openssl(err, NK_E_INTERNAL, "add the OpenSSL provider");
    }
    /* Retaining the fallbacks: loading ours must not be what switches "default" off. */
    registered = OSSL_PROVIDER_try_load(NULL, PROVIDER_BUILTIN_NAME, 1);
    if (registered == NULL) {
        return report_openssl(err, NK_E_INTERNAL, "load the OpenSSL provider");
    }
    return NK_OK;
}

nk_status hsm_provider_register(nk_error *err)
{
    nk_status status = NK_OK;

    pthread_mutex_lock(&register_lock);
    ERR_set_mark();
    if (registered == NULL) {
        status = load_provider(err);
    }
    if (status == NK_OK && ordinary_keys_are_ours()) {
        status = report(err, NK_E_INTERNAL,
                        "OpenSSL gives our provider the program's ordinary keys; load the default "
                        "provider first (openssl.cnf), or call EVP_set_default_properties("
                        "\"?provider!=nodekey\")");
    }
    ERR_pop_to_mark();
    pthread_mutex_unlock(&register_lock);
    return status;
}
