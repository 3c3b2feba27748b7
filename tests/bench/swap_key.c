/* SPDX-License-Identifier: Apache-2.0
 * The program's own symbols come first, so the plugin's call to gRPC arrives here. */
#include "bench/swap_key.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <grpc/grpc_security.h>

typedef grpc_tls_certificate_provider *(*create_fn)(const char *, const char *, const char *,
                                                    unsigned int);

static const char *other_path;
static atomic_uint swapped;

void swap_key_for(const char *path)
{
    other_path = path;
}

unsigned swap_key_count(void)
{
    return swapped;
}

grpc_tls_certificate_provider *grpc_tls_certificate_provider_file_watcher_create(
    const char *private_key_path, const char *identity_certificate_path, const char *root_cert_path,
    unsigned int refresh_interval_sec)
{
    create_fn create = NULL;
    *(void **)&create = dlsym(RTLD_NEXT, __func__);
    if (create == NULL) {
        fprintf(stderr, "bench: no %s in gRPC\n", __func__);
        abort();
    }
    swapped += other_path != NULL ? 1 : 0;
    return create(other_path != NULL ? other_path : private_key_path,
                  other_path != NULL ? other_path : identity_certificate_path, root_cert_path,
                  refresh_interval_sec);
}
