// SPDX-License-Identifier: Apache-2.0
// "GRPC, core CORE|OPENSSL": what this program has.
#include <cstdio>

#include <grpc/grpc.h>
#include <grpcpp/grpcpp.h>
#include <openssl/crypto.h>

int main()
{
    std::printf("%s, core %s|%s\n", grpc::Version().c_str(), grpc_version_string(),
                OpenSSL_version(OPENSSL_VERSION_STRING));
    return 0;
}
