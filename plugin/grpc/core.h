/* SPDX-License-Identifier: Apache-2.0
 * The gRPC core of the host, by its functions: nodekey links none, since objects of one core given
 * to another crash it. The first host that asks for credentials says which one it is, for the whole
 * process. */
#ifndef NODEKEY_CORE_H
#define NODEKEY_CORE_H

#include <stdbool.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#if __has_include(<grpc/credentials.h>) /* later cores have half of it there */
#include <grpc/credentials.h>
#endif
#include <grpc/support/alloc.h>
#include <grpc/support/string_util.h>
#include <grpc/support/time.h>

#include "base/auto.h"
#include "nodekey/detail/core_names.h"
#include "nodekey/plugin.h"

struct core {
#define CORE_MEMBER(name) __typeof__(&(name)) name;
    NK_CORE_GRPC(CORE_MEMBER)
#undef CORE_MEMBER
};

/* The functions; only after core_bind has succeeded once. [any] */
const struct core *core(void);
/* [any] */
bool core_is_bound(void);
/* Finds the host's core, by nk_host.grpc_version, which is set. NK_E_USAGE: the functions cannot be
 * found beside it, or another host of this process has another core; NK_E_UNSUPPORTED: the core
 * lacks a function, which is named, or uses no OpenSSL 3 or 4 while the host has no set_identity. A
 * core that nobody tested is one warning per host. [any] */
MUST_USE nk_status core_bind(const nk_host *host, nk_error *err);

/* Functions that versions of gRPC name or type otherwise. After core_bind. [any] */

/* Credentials options use this provider for what we show. */
void core_set_identity_provider(grpc_tls_credentials_options *options,
                                grpc_tls_certificate_provider *provider);
/* Whether the core has providers that are told what we show, so that no file is needed. False also
 * before core_bind. */
bool core_is_told(void);
/* Whether handshakes, and in them our signatures, run on the threads that poll, as in gRPC 1.51;
 * later cores have threads of their own. True, too, before core_bind. */
bool core_signs_on_pollers(void);
/* Whether TLS in the core takes no key references, so that our identity is given to it as a signer,
 * by nk_host.set_identity. False before core_bind, and for a host without core. */
bool core_wants_signers(const nk_host *host);
/* A provider that is told; empty. Owned: grpc_tls_certificate_provider_release. */
grpc_tls_certificate_provider *core_provider_new(void);
/* Tells it key reference and certificates, in one text, which take effect at once. gRPC takes
 * anything, and fails every handshake then: `pem` is proven before. False: no memory. */
MUST_USE bool core_provider_tell(grpc_tls_certificate_provider *provider, const char *pem);
/* A provider that reads key and certificates from one file, and looks at it every so many seconds.
 * Owned: grpc_tls_certificate_provider_release. */
grpc_tls_certificate_provider *core_watch_file(const char *path, unsigned seconds);

/* Whether gRPC is initialised in this process, as far as it can be known before a host has told its
 * core: then by the core that the program shows to all. For pthread_atfork. [any] */
bool core_is_initialized(void);

#endif
