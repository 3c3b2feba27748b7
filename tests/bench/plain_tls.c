/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/plain_tls.h"

#include <stdlib.h>

#include "fixtures/authority.h"

static const char *keep(char *text)
{
    const char *kept = path_of("%s", text);
    free(text);
    return kept;
}

struct plain_tls plain_tls_member(const struct federation *federation, const char *label,
                                  const char *key_type)
{
    struct certificate_spec spec = member_spec(federation, label);
    EVP_PKEY *key = software_key(key_type);
    X509 *leaf = authority_issue(&federation->intermediate, key, &spec);
    struct plain_tls end = {
        .key = keep(pem_of_key(key)),
        .chain = keep(pem_of(leaf, federation->intermediate.certificate, NULL)),
        .root = keep(pem_of(federation->root.certificate, NULL)),
    };
    X509_free(leaf);
    EVP_PKEY_free(key);
    return end;
}

static grpc_tls_credentials_options *options_for(const struct plain_tls *end)
{
    grpc_tls_identity_pairs *pairs = grpc_tls_identity_pairs_create();
    grpc_tls_identity_pairs_add_pair(pairs, end->key, end->chain);
    grpc_tls_credentials_options *options = grpc_tls_credentials_options_create();
#if LATER_CORE
    grpc_tls_certificate_provider *provider = grpc_tls_certificate_provider_in_memory_create();
    grpc_tls_certificate_provider_in_memory_set_root_certificate(provider, end->root);
    grpc_tls_certificate_provider_in_memory_set_identity_certificate(provider, pairs);
    grpc_tls_credentials_options_set_root_certificate_provider(options, provider);
    grpc_tls_credentials_options_set_identity_certificate_provider(options, provider);
#else
    grpc_tls_certificate_provider *provider =
        grpc_tls_certificate_provider_static_data_create(end->root, pairs);
    grpc_tls_credentials_options_set_certificate_provider(options, provider);
    grpc_tls_credentials_options_watch_identity_key_cert_pairs(options);
    grpc_tls_credentials_options_watch_root_certs(options);
#endif
    grpc_tls_certificate_provider_release(provider);
    return options;
}

grpc_server_credentials *plain_tls_server(const struct plain_tls *end)
{
    grpc_tls_credentials_options *options = options_for(end);
    grpc_tls_credentials_options_set_cert_request_type(
        options, GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    return grpc_tls_server_credentials_create(options);
}

grpc_channel_credentials *plain_tls_channel(const struct plain_tls *end)
{
    return grpc_tls_credentials_create(options_for(end));
}
