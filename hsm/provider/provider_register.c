/* SPDX-License-Identifier: Apache-2.0
 * Becoming known to the process's OpenSSL without taking anything over. */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include "base/fork.h"
#include "base/report.h"
#include "hsm.h"
#include "provider/crypto.h"
#include "provider/provider_private.h"
#include "scheme/key_kinds.h"

#define NAME_BYTES 24

#define LINKED(name) .name = (name),
static const struct crypto ours = { NK_CORE_CRYPTO(LINKED) };

static pthread_mutex_t register_lock = PTHREAD_MUTEX_INITIALIZER;
/* Guarded by register_lock: */
static struct crypto crypto = { NK_CORE_CRYPTO(LINKED) };
static bool is_chosen;     /* `crypto`, by a core: it stays */
static unsigned providers; /* that `crypto` was given */
#undef LINKED
FORK_PART(.lock = &register_lock);

#define INDEX(id, ...) TYPE_##id,
enum { KEY_TYPES(INDEX) TYPES };
#define DECLARE_ENTER(id, ...) static OSSL_provider_init_fn enter_##id;
KEY_TYPES(DECLARE_ENTER)

/* Types of keys: each has a provider of its own, since OpenSSL shows the program's keys to all that
 * there is. Guarded by register_lock. */
#define TYPE_ROW(id, type, more, signature_, ...)                                                  \
    { .keymgmt = type, .signature = signature_, .enter = enter_##id },
static struct served {
    const char *keymgmt;
    const char *signature;
    OSSL_provider_init_fn *enter;
    unsigned number;           /* of its provider; 0: none */
    OSSL_PROVIDER *registered; /* in `crypto`; never unloaded */
    bool is_entered;           /* by `crypto`, so that the provider of our name is ours */
} types[] = { KEY_TYPES(TYPE_ROW) };

/* OpenSSL gives a name to the first that takes it, and says nothing to the next. */
#define ENTER(id, ...)                                                                             \
    static int enter_##id(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in,                   \
                          const OSSL_DISPATCH **out, void **context)                               \
    {                                                                                              \
        types[TYPE_##id].is_entered = true;                                                        \
        return provider_init_##id(core, in, out, context);                                         \
    }
KEY_TYPES(ENTER)

/* Fetches as a plain program would; true when a method is ours. A fetch before our provider is
 * loaded makes OpenSSL construct the default provider's methods first: the first in its store
 * serves every plain fetch from then on. */
static bool ordinary_keys_are_ours(const struct served *type)
{
    EVP_KEYMGMT *keymgmt = crypto.EVP_KEYMGMT_fetch(NULL, type->keymgmt, NULL);
    EVP_SIGNATURE *signature = crypto.EVP_SIGNATURE_fetch(NULL, type->signature, NULL);
    bool found =
        (keymgmt != NULL && crypto.EVP_KEYMGMT_get0_provider(keymgmt) == type->registered) ||
        (signature != NULL && crypto.EVP_SIGNATURE_get0_provider(signature) == type->registered);

    crypto.EVP_KEYMGMT_free(keymgmt);
    crypto.EVP_SIGNATURE_free(signature);
    return found;
}

/* The first is called so in every copy of nodekey.so, whichever its type. */
static void print_name(const struct served *type, char name[NAME_BYTES])
{
    snprintf(name, NAME_BYTES,
             type->number > 1 ? PROVIDER_BUILTIN_NAME "-%u" : PROVIDER_BUILTIN_NAME, type->number);
}

static nk_status load_provider(struct served *type, nk_error *err)
{
    char name[NAME_BYTES];

    (void)ordinary_keys_are_ours(type);
    if (type->number == 0) {
        type->number = ++providers;
    }
    print_name(type, name);
    if (crypto.OSSL_PROVIDER_add_builtin(NULL, name, type->enter) != 1) {
        return report_openssl(err, NK_E_INTERNAL, "add the OpenSSL provider");
    }
    /* Retaining the fallbacks: loading ours must not be what switches "default" off. */
    type->registered = crypto.OSSL_PROVIDER_try_load(NULL, name, 1);
    if (type->registered == NULL) {
        return report_openssl(err, NK_E_INTERNAL, "load the OpenSSL provider");
    }
    if (!type->is_entered) {
        type->registered = NULL;
        type->number = 0; /* is not ours, and no other comes before the first */
        providers--;
        return report(
            err, NK_E_USAGE,
            "this process has two copies of nodekey.so, and OpenSSL knows the provider of "
            "the other one; load both nodes from one path");
    }
    return NK_OK;
}

static bool find_functions(hsm_find_function *find, void *source, struct crypto *found,
                           const char **ret_missing)
{
    nk_function function = NULL;

#define FIND(name)                                                                                 \
    function = find(source, #name);                                                                \
    if (function == NULL) {                                                                        \
        *ret_missing = #name;                                                                      \
        return false;                                                                              \
    }                                                                                              \
    memcpy(&found->name, &function, sizeof(function));
    NK_CORE_CRYPTO(FIND)
#undef FIND
    return true;
}

/* In whichever order cores come, and were it at once: the libcrypto of the first stays. */
static nk_status choose(const struct crypto *found, nk_error *err)
{
    pthread_mutex_lock(&register_lock);
    bool is_other = found->OSSL_PROVIDER_add_builtin != crypto.OSSL_PROVIDER_add_builtin;
    bool is_late = is_other && is_chosen;
    if (is_other && !is_late) {
        /* OpenSSL heeds the first call; a call that comes too late is not told so. */
        (void)found->OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
        crypto = *found;
        providers = 0;
        for (size_t i = 0; i < TYPES; i++) {
            types[i].number = 0;
            types[i].registered = NULL;
            types[i].is_entered = false;
        }
    }
    is_chosen = true;
    pthread_mutex_unlock(&register_lock);
    return is_late ? report(err, NK_E_USAGE,
                            "this process has two gRPC cores, each with an OpenSSL of its own, and "
                            "nodekey serves the other one; use one core, or another process")
                   : NK_OK;
}

nk_status hsm_use_own_crypto(nk_error *err)
{
    return choose(&ours, err);
}

nk_status hsm_use_crypto(hsm_find_function *find, void *source, nk_error *err)
{
    struct crypto found = ours;
    const char *missing = "";

    if (!find_functions(find, source, &found, &missing)) {
        return report(
            err, NK_E_UNSUPPORTED,
            "this program's gRPC does not use OpenSSL 3 or 4: its libcrypto lacks %s, and "
            "token keys come to it by a provider alone",
            missing);
    }
    if (found.OPENSSL_version_major() != 3 && found.OPENSSL_version_major() != 4) {
        return report(err, NK_E_UNSUPPORTED,
                      "this program's gRPC uses OpenSSL %u; nodekey knows 3 and 4",
                      found.OPENSSL_version_major());
    }
    return choose(&found, err);
}

static nk_status register_type(struct served *type, nk_error *err)
{
    nk_status status = type->registered == NULL ? load_provider(type, err) : NK_OK;

    return status == NK_OK && ordinary_keys_are_ours(type)
               ? report(err, NK_E_INTERNAL,
                        "OpenSSL gives our provider the program's ordinary keys; load the default "
                        "provider first (openssl.cnf), or call EVP_set_default_properties("
                        "\"?provider!=nodekey\")")
               : status;
}

nk_status hsm_provider_register(const EVP_PKEY *key, nk_error *err)
{
    const struct key_kind *kind = key != NULL ? key_kind_of(key) : NULL;
    nk_status status = NK_OK;

    pthread_mutex_lock(&register_lock);
    ERR_set_mark();
    for (size_t i = 0; i < TYPES && status == NK_OK; i++) {
        if (key == NULL || (kind != NULL && strcmp(kind->type, types[i].keymgmt) == 0)) {
            status = register_type(&types[i], err);
        }
    }
    ERR_pop_to_mark();
    pthread_mutex_unlock(&register_lock);
    return status;
}
