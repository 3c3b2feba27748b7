// SPDX-License-Identifier: Apache-2.0
// A host on the core: a call each without TLS, with a key in memory, and with a signer that answers
// later.
//     proof CERTIFICATE.pem KEY.pem      (self-signed, of P-256, for 127.0.0.1)
#include <atomic>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/private_key_signer.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

extern "C" {
#include "fixtures/wire/rpc.h"
}

using grpc_core::PrivateKeySigner;

static std::string read_file(const char *path)
{
    std::ifstream file(path);
    return { std::istreambuf_iterator<char>(file), {} };
}

// Signs with a key of P-256, on a thread of its own.
struct LateSigner final : PrivateKeySigner {
    explicit LateSigner(const std::string &pem)
    {
        bssl::UniquePtr<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
        key.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
    }
    static absl::StatusOr<std::string> sign(EVP_PKEY *key, const std::string &message)
    {
        bssl::ScopedEVP_MD_CTX ctx;
        std::vector<uint8_t> out(EVP_PKEY_size(key));
        size_t len = out.size();
        const auto *data = reinterpret_cast<const uint8_t *>(message.data());
        if (!EVP_DigestSignInit(ctx.get(), nullptr, EVP_sha256(), nullptr, key) ||
            !EVP_DigestSign(ctx.get(), out.data(), &len, data, message.size())) {
            return absl::InternalError("no signature");
        }
        return std::string(out.begin(), out.begin() + static_cast<ptrdiff_t>(len));
    }
    std::variant<absl::StatusOr<std::string>, std::shared_ptr<AsyncSigningHandle>>
    Sign(absl::string_view message, SignatureAlgorithm algorithm, OnSignComplete done) override
    {
        if (algorithm != SignatureAlgorithm::kEcdsaSecp256r1Sha256) {
            return absl::UnimplementedError("not P-256");
        }
        std::thread([own = bssl::UpRef(key), text = std::string(message),
                     done = std::move(done)]() mutable {
            signatures++;
            done(sign(own.get(), text));
        }).detach();
        return std::make_shared<AsyncSigningHandle>();
    }
    void Cancel(std::shared_ptr<AsyncSigningHandle>) override
    {
    }
    bssl::UniquePtr<EVP_PKEY> key;
    static std::atomic<int> signatures;
};
std::atomic<int> LateSigner::signatures;

// The options of either role; PAIRS is consumed.
static grpc_tls_credentials_options *tls_options(const char *roots, grpc_tls_identity_pairs *pairs)
{
    auto *provider = grpc_tls_certificate_provider_in_memory_create();
    auto *options = grpc_tls_credentials_options_create();
    if (!grpc_tls_certificate_provider_in_memory_set_root_certificate(provider, roots) ||
        !grpc_tls_certificate_provider_in_memory_set_identity_certificate(provider, pairs)) {
        std::puts("the provider refuses");
    }
    grpc_tls_credentials_options_set_root_certificate_provider(options, provider);
    grpc_tls_credentials_options_set_identity_certificate_provider(options, provider);
    grpc_tls_certificate_provider_release(provider);
    return options;
}

static grpc_server_credentials *serve_with(grpc_tls_credentials_options *options)
{
    grpc_tls_credentials_options_set_cert_request_type(
        options, GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    return grpc_tls_server_credentials_create(options);
}

static bool talk(const char *how, grpc_server_credentials *inbound,
                 grpc_channel_credentials *outbound)
{
    rpc_server *server = rpc_server_start(inbound, 2, nullptr, nullptr);
    rpc_result result = rpc_dial(outbound, rpc_server_address(server), RPC_DEADLINE_MS);
    rpc_server_stop(server);
    grpc_server_credentials_release(inbound);
    grpc_channel_credentials_release(outbound);
    std::printf("%s: %s\n", how, result.ok ? "answered" : result.details);
    return result.ok;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    const std::string certificate = read_file(argv[1]);
    const std::string key = read_file(argv[2]);
    auto with_key = [&] {
        auto *pairs = grpc_tls_identity_pairs_create();
        grpc_tls_identity_pairs_add_pair(pairs, key.c_str(), certificate.c_str());
        return tls_options(certificate.c_str(), pairs);
    };
    auto with_signer = [&] {
        auto *pairs = grpc_tls_identity_pairs_create();
        absl::Status status = grpc_tls_identity_pairs_add_pair_with_signer(
            pairs, std::make_shared<LateSigner>(key), certificate);
        std::printf("%s", status.ok() ? "" : "no signer\n");
        return tls_options(certificate.c_str(), pairs);
    };

    grpc_init();
    std::printf("core %s\n", grpc_version_string());
    bool ok = talk("insecure", grpc_insecure_server_credentials_create(),
                   grpc_insecure_credentials_create());
    ok &= talk("TLS, keys in memory", serve_with(with_key()),
               grpc_tls_credentials_create(with_key()));
    ok &=
        talk("TLS, signers", serve_with(with_signer()), grpc_tls_credentials_create(with_signer()));
    std::printf("%d signatures\n", LateSigner::signatures.load());
    rpc_shutdown();
    return ok && LateSigner::signatures == 2 ? 0 : 1;
}
