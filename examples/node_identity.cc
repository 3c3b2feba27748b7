// SPDX-License-Identifier: Apache-2.0
// For a gRPC that carries BoringSSL, as its own CMake and Bazel builds do: the one part that is
// C++.
#include "nodekey/boringssl.hpp"

extern "C" nk_status node_set_identity(void *host_data, const nk_plugin *plugin,
                                       grpc_tls_certificate_provider *provider, nk_signer *signer,
                                       const char *chain_pem)
{
    return nodekey::set_identity(host_data, plugin, provider, signer, chain_pem);
}
