/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/swap_key.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>

static const char *other_path;
static const struct plain_tls *other;
static atomic_uint swapped;

void swap_key_for(const char *path, const struct plain_tls *end)
{
    other_path = path;
    other = end;
}

unsigned swap_key_count(void)
{
    return swapped;
}

#if LATER_CORE
static void add_other_pair(grpc_tls_identity_pairs *pairs, const char *key, const char *chain)
{
    (void)key;
    (void)chain;
    swapped++;
    grpc_tls_identity_pairs_add_pair(pairs, other->key, other->chain);
}

static grpc_tls_certificate_provider *watch_other_file(const char *key, const char *chain,
                                                       const char *root, const char *bundle,
                                                       unsigned seconds)
{
    (void)key;
    (void)chain;
    swapped++;
    return grpc_tls_certificate_provider_file_watcher_create(other_path, other_path, root, bundle,
                                                             seconds);
}
#else
static grpc_tls_certificate_provider *watch_other_file(const char *key, const char *chain,
                                                       const char *root, unsigned seconds)
{
    (void)key;
    (void)chain;
    swapped++;
    return grpc_tls_certificate_provider_file_watcher_create(other_path, other_path, root, seconds);
}
#endif

nk_function swap_key_symbol(const char *name)
{
    nk_function function = NULL;

    if (strcmp(name, "grpc_tls_certificate_provider_file_watcher_create") == 0) {
        return (nk_function)watch_other_file;
    }
#if LATER_CORE
    if (strcmp(name, "grpc_tls_identity_pairs_add_pair") == 0) {
        return (nk_function)add_other_pair;
    }
#endif
    *(void **)&function = dlsym(RTLD_DEFAULT, name);
    return function;
}
