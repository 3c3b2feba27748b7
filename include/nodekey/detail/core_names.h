/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of functions that nodekey calls in a program's own copies of gRPC and OpenSSL, for core.h
 * and the plugin. Each macro is X(name) for every name; nothing is declared here. */
#ifndef NODEKEY_CORE_NAMES_H
#define NODEKEY_CORE_NAMES_H

/* Functions that every gRPC has from 1.51 on, of one type in all of them. */
#define NK_CORE_GRPC(X)                                                                            \
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

/* Functions that only some versions have, or have with another type. */
#define NK_CORE_GRPC_SOME(X)                                                                       \
    X(grpc_tls_certificate_provider_file_watcher_create)                                           \
    X(grpc_tls_certificate_provider_in_memory_create)                                              \
    X(grpc_tls_certificate_provider_in_memory_set_identity_certificate)                            \
    X(grpc_tls_credentials_options_set_certificate_provider)                                       \
    X(grpc_tls_credentials_options_set_identity_certificate_provider)                              \
    X(grpc_tls_credentials_options_watch_identity_key_cert_pairs)                                  \
    X(grpc_tls_identity_pairs_add_pair)                                                            \
    X(grpc_tls_identity_pairs_create)

/* Functions of OpenSSL 3 and 4 that make a provider known, and tell whose ordinary keys are. */
#define NK_CORE_CRYPTO(X)                                                                          \
    X(EVP_KEYMGMT_fetch)                                                                           \
    X(EVP_KEYMGMT_free)                                                                            \
    X(EVP_KEYMGMT_get0_provider)                                                                   \
    X(EVP_SIGNATURE_fetch)                                                                         \
    X(EVP_SIGNATURE_free)                                                                          \
    X(EVP_SIGNATURE_get0_provider)                                                                 \
    X(OPENSSL_init_crypto)                                                                         \
    X(OPENSSL_version_major)                                                                       \
    X(OSSL_PROVIDER_add_builtin)                                                                   \
    X(OSSL_PROVIDER_try_load)

#endif
