/* SPDX-License-Identifier: Apache-2.0
 * The gRPC core of the host, by its functions: nodekey links none, since objects of one core given
 * to another crash it. The first host that asks for credentials says which one it is, for the whole
 * process. */
#ifndef NODEKEY_CORE_H
#define NODEKEY_CORE_H

#include <stdbool.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <grpc/support/string_util.h>
#include <grpc/support/time.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

/* X(name): functions that every core has, of one type in all of them. */
#define CORE_FUNCTIONS(X)                                                                          \
    X(gpr_free)                                                                                    \
    X(gpr_inf_future)                                                                              \
    X(gpr_strdup)                                                                                  \
    X(grpc_auth_context_find_properties_by_name)                                                   \
    X(grpc_auth_context_release)                                                                   \
    X(grpc_auth_property_iterator_next)                                                            \
    X(grpc_call_auth_context)                                                                      \
    X(grpc_call_cancel_with_status)                                                                \
    X(grpc_call_credentials_release)                                                               \
    X(grpc_call_get_peer)                                                                          \
    X(grpc_call_ref)                                                                               \
    X(grpc_call_unref)                                                                             \
    X(grpc_channel_credentials_release)                                                            \
    X(grpc_completion_queue_create_for_next)                                                       \
    X(grpc_completion_queue_create_for_pluck)                                                      \
    X(grpc_completion_queue_destroy)                                                               \
    X(grpc_completion_queue_next)                                                                  \
    X(grpc_completion_queue_pluck)                                                                 \
    X(grpc_completion_queue_shutdown)                                                              \
    X(grpc_composite_channel_credentials_create)                                                   \
    X(grpc_init)                                                                                   \
    X(grpc_is_initialized)                                                                         \
    X(grpc_metadata_credentials_create_from_plugin)                                                \
    X(grpc_server_add_http2_port)                                                                  \
    X(grpc_server_create)                                                                          \
    X(grpc_server_credentials_release)                                                             \
    X(grpc_server_credentials_set_auth_metadata_processor)                                         \
    X(grpc_server_destroy)                                                                         \
    X(grpc_server_register_completion_queue)                                                       \
    X(grpc_server_shutdown_and_notify)                                                             \
    X(grpc_shutdown)                                                                               \
    X(grpc_tls_certificate_provider_release)                                                       \
    X(grpc_tls_certificate_verifier_external_create)                                               \
    X(grpc_tls_certificate_verifier_release)                                                       \
    X(grpc_tls_credentials_create)                                                                 \
    X(grpc_tls_credentials_options_create)                                                         \
    X(grpc_tls_credentials_options_set_cert_request_type)                                          \
    X(grpc_tls_credentials_options_set_certificate_verifier)                                       \
    X(grpc_tls_credentials_options_set_check_call_host)                                            \
    X(grpc_tls_credentials_options_set_verify_server_cert)                                         \
    X(grpc_tls_server_credentials_create)

struct core {
#define CORE_MEMBER(name) __typeof__(&(name)) name;
    CORE_FUNCTIONS(CORE_MEMBER)
#undef CORE_MEMBER
};

/* The functions; only after core_bind has succeeded once. [any] */
const struct core *core(void);
/* [any] */
bool core_is_bound(void);
/* Finds the host's core, by nk_host.grpc_version. NK_E_USAGE: it is not set, or the functions
 * cannot be found beside it, or another host of this process has another core; NK_E_UNSUPPORTED:
 * the core lacks a function, which is named. [any] */
MUST_USE nk_status core_bind(const nk_host *host, nk_error *err);

/* Functions that versions of gRPC name or type otherwise. After core_bind. [any] */

/* Credentials options use this provider for what we show. */
void core_set_identity_provider(grpc_tls_credentials_options *options,
                                grpc_tls_certificate_provider *provider);
/* A provider that reads key and certificates from one file, and looks at it every so many seconds.
 * Owned: grpc_tls_certificate_provider_release. */
grpc_tls_certificate_provider *core_watch_file(const char *path, unsigned seconds);

/* Whether gRPC is initialised in this process, as far as it can be known before a host has told its
 * core: then by the core that the program shows to all. For pthread_atfork. [any] */
bool core_is_initialized(void);

#endif
