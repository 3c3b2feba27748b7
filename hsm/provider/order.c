/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/order.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/provider.h>

#define NEEDED(X)                                                                                  \
    X(EVP_KEYMGMT_fetch)                                                                           \
    X(EVP_KEYMGMT_free)                                                                            \
    X(EVP_KEYMGMT_get0_provider)                                                                   \
    X(OSSL_PROVIDER_get0_provider_ctx)

/* Functions of the program's libcrypto. */
struct theirs {
#define MEMBER(name) __typeof__(&(name)) name;
    NEEDED(MEMBER)
#undef MEMBER
};

/* ISO C casts no pointer to a function to one to an object. */
static void *open_library_of(const struct provider *provider)
{
    void *address = NULL;
    Dl_info info;

    memcpy(&address, &provider->get_params, sizeof(address));
    return address != NULL && dladdr(address, &info) != 0
               ? dlopen(info.dli_fname, RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD)
               : NULL;
}

static bool find_theirs(void *library, struct theirs *theirs)
{
    void *found = NULL;

#define FIND(name)                                                                                 \
    found = dlsym(library, #name);                                                                 \
    if (found == NULL) {                                                                           \
        return false;                                                                              \
    }                                                                                              \
    memcpy(&theirs->name, &found, sizeof(found));
    NEEDED(FIND)
#undef FIND
    return true;
}

/* OpenSSL 3.0 takes ordinary keys to the first provider in its list, which it sorts by name. */
static bool are_ours(const struct theirs *theirs, const struct provider *provider)
{
    EVP_KEYMGMT *keymgmt = theirs->EVP_KEYMGMT_fetch(NULL, "RSA", NULL);
    const OSSL_PROVIDER *first =
        keymgmt != NULL ? theirs->EVP_KEYMGMT_get0_provider(keymgmt) : NULL;
    bool ours = first != NULL && theirs->OSSL_PROVIDER_get0_provider_ctx(first) == provider;

    theirs->EVP_KEYMGMT_free(keymgmt);
    return ours;
}

nk_status order_check(const struct provider *provider, nk_error *err)
{
    struct theirs theirs = { .EVP_KEYMGMT_fetch = NULL };
    void *library = open_library_of(provider);

    bool ours = library != NULL && find_theirs(library, &theirs) && are_ours(&theirs, provider);
    if (library != NULL) {
        dlclose(library);
    }
    return ours ? report(err, NK_E_CONFIG,
                         "openssl.cnf: ordinary keys of this program come to us; activate "
                         "\"default\" in the list of providers, before us, and call us "
                         "\"nodekey\" there")
                : NK_OK;
}
