/* SPDX-License-Identifier: Apache-2.0
 *
 * For programs that have gRPC linked in statically, with OpenSSL 3 or 4: nodekey calls their own
 * copies, which it cannot find by itself. Header-only, C11 and C++17; include it in one source
 * file.
 *
 *     nk_host host = { .struct_size = sizeof(host), .grpc_version = grpc_version_string };
 *     host.symbol = nk_core_symbol;
 *
 * A program with a shared libgrpc leaves nk_host.symbol NULL. Where gRPC carries BoringSSL, as its
 * own CMake and Bazel builds do, BoringSSL's headers come first in the compiler's search, and
 * nk_host.set_identity is set, too: nodekey/boringssl.hpp. Without it `open` says so, since
 * BoringSSL takes no provider. */
#ifndef NODEKEY_CORE_SYMBOLS_H
#define NODEKEY_CORE_SYMBOLS_H

#include <string.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#if __has_include(<grpc/credentials.h>) /* later cores declare half of it there */
#include <grpc/credentials.h>
#endif
#include <grpc/support/alloc.h>
#include <grpc/support/string_util.h>
#include <grpc/support/time.h>
#include <openssl/crypto.h>
#ifdef OPENSSL_IS_BORINGSSL
#define NK_CORE_OF_OPENSSL(X) /* it has none of them */
#else
#include <openssl/evp.h>
#include <openssl/provider.h>
#define NK_CORE_OF_OPENSSL(X) NK_CORE_CRYPTO(X)
#endif

#include "nodekey/detail/core_names.h"
#include "nodekey/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Functions that only some versions of gRPC have: those that are there are found. Their types are
 * the plugin's to know, so they have none here. */

#define NK_CORE_DECLARE(name)                                                                      \
    extern void nk_core_##name(void) __asm__(#name) __attribute__((__weak__));
NK_CORE_GRPC_SOME(NK_CORE_DECLARE)
#undef NK_CORE_DECLARE

/* [any] For nk_host.symbol: this program's function of that name, or NULL. */
static inline nk_function nk_core_symbol(const char *name)
{
#define NK_CORE_ROW(name) { #name, (nk_function)(name) },
#define NK_CORE_ROW_OF_SOME(name) { #name, nk_core_##name },
    static const struct {
        const char *name;
        nk_function function;
    } rows[] = { NK_CORE_GRPC(NK_CORE_ROW) NK_CORE_OF_OPENSSL(NK_CORE_ROW)
                     NK_CORE_ROW(grpc_version_string) NK_CORE_GRPC_SOME(NK_CORE_ROW_OF_SOME) };
#undef NK_CORE_ROW
#undef NK_CORE_ROW_OF_SOME
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return rows[i].function;
        }
    }
    return NULL;
}

#ifdef __cplusplus
}
#endif
#endif
