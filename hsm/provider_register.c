/* SPDX-License-Identifier: Apache-2.0
 * Becoming known to the process's OpenSSL without taking anything over. */
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include "provider.h"
#include "report.h"

static pthread_mutex_t register_lock = PTHREAD_MUTEX_INITIALIZER;
static OSSL_PROVIDER *registered; /* guarded by register_lock; never unloaded */

/* Makes OpenSSL construct the default provider's methods before ours exist: the first in its store
 * serves every plain fetch from then on. */
static void fetch_default_first(void)
{
    static const char *const keys[] = { "RSA", "EC", "ED25519" };
    static const char *const signatures[] = { "RSA", "ECDSA", "ED25519" };

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        EVP_KEYMGMT_free(EVP_KEYMGMT_fetch(NULL, keys[i], NULL));
        EVP_SIGNATURE_free(EVP_SIGNATURE_fetch(NULL, signatures[i], NULL));
    }
}

static bool ordinary_keys_are_ours(void)
{
    EVP_KEYMGMT *keymgmt = EVP_KEYMGMT_fetch(NULL, "RSA", NULL);
    bool ours = keymgmt != NULL && EVP_KEYMGMT_get0_provider(keymgmt) == registered;
    EVP_KEYMGMT_free(keymgmt);
    return ours;
}

static nk_status load(nk_error *err)
{
    fetch_default_first();
    if (OSSL_PROVIDER_add_builtin(NULL, PROVIDER_BUILTIN_NAME, provider_init) != 1) {
        return report_openssl(err, NK_E_INTERNAL, "add the OpenSSL provider");
    }
    /* Retaining the fallbacks: loading ours must not be what switches "default" off. */
    registered = OSSL_PROVIDER_try_load(NULL, PROVIDER_BUILTIN_NAME, 1);
    if (registered == NULL) {
        return report_openssl(err, NK_E_INTERNAL, "load the OpenSSL provider");
    }
    if (ordinary_keys_are_ours()) {
        return report(err, NK_E_INTERNAL,
                      "OpenSSL gives our provider the program's ordinary keys; load the default "
                      "provider first (openssl.cnf), or call EVP_set_default_properties("
                      "\"?provider!=nodekey\")");
    }
    return NK_OK;
}

nk_status provider_register(nk_error *err)
{
    nk_status status = NK_OK;

    pthread_mutex_lock(&register_lock);
    if (registered == NULL) {
        ERR_set_mark();
        status = load(err);
        ERR_pop_to_mark();
    }
    pthread_mutex_unlock(&register_lock);
    return status;
}
