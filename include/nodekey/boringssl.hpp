/* SPDX-License-Identifier: Apache-2.0
 *
 * For programs whose gRPC carries BoringSSL, as its own CMake and Bazel builds do: it takes no key
 * from OpenSSL, but since 1.80 asks for signatures (gRFC A107). Header-only, C++17, on public
 * headers of gRPC 1.80 to 1.85 and its Abseil; compiles with -fno-exceptions -fno-rtti, too.
 *
 *     nk_host host = {};
 *     host.struct_size = sizeof(host);
 *     host.grpc_version = grpc_version_string;
 *     host.symbol = nk_core_symbol;                 // where gRPC is linked in statically
 *     host.set_identity = nodekey::set_identity;
 *
 * nodekey.hpp sets it by itself where gRPC has the header. A gRPC on OpenSSL is never asked for
 * signatures: there the same program works as without this header. */
#ifndef NODEKEY_BORINGSSL_HPP
#define NODEKEY_BORINGSSL_HPP

#include <memory>
#include <new>
#include <string>
#include <utility>
#include <variant>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/string_view.h>
#include <grpc/credentials.h>
#include <grpc/grpc_security.h>
#include <grpc/private_key_signer.h>

#include "nodekey/plugin.h"

namespace nodekey
{
namespace detail
{

/* A signature that gRPC waits for without a thread: nk_signing. */
class SigningHandle : public grpc_core::PrivateKeySigner::AsyncSigningHandle
{
  public:
    SigningHandle(const nk_plugin *plugin, nk_signing *signing) noexcept
        : plugin_(plugin), signing_(signing)
    {
    }
    ~SigningHandle() override
    {
        plugin_->signing_free(signing_);
    }
    SigningHandle(const SigningHandle &) = delete;
    SigningHandle &operator=(const SigningHandle &) = delete;
    void cancel() noexcept
    {
        plugin_->sign_cancel(signing_);
    }

  private:
    const nk_plugin *plugin_;
    nk_signing *signing_;
};

inline absl::Status status_of(const nk_error &err)
{
    return absl::Status(err.status == NK_E_CLOSED ? absl::StatusCode::kCancelled
                                                  : absl::StatusCode::kUnavailable,
                        err.text);
}

/* A key of ours as gRPC asks for signatures. [any] */
class Signer : public grpc_core::PrivateKeySigner
{
  public:
    using Signature = absl::StatusOr<std::string>;
    using Answer = std::variant<Signature, std::shared_ptr<AsyncSigningHandle>>;

    Signer(const nk_plugin *plugin, nk_signer *signer) noexcept : plugin_(plugin), signer_(signer)
    {
        plugin_->signer_ref(signer_);
    }
    ~Signer() override
    {
        plugin_->signer_free(signer_);
    }
    Signer(const Signer &) = delete;
    Signer &operator=(const Signer &) = delete;

    Answer Sign(absl::string_view input, SignatureAlgorithm algorithm, OnSignComplete done) override
    {
        if (plugin_->signer_is_quick(signer_) != 0) {
            return sign(input, number_of(algorithm));
        }
        return start(input, number_of(algorithm), std::move(done));
    }
    void Cancel(std::shared_ptr<AsyncSigningHandle> handle) override
    {
        static_cast<SigningHandle *>(handle.get())->cancel();
    }

  private:
    /* Its TLS SignatureScheme (RFC 8446 section 4.2.3); 0: one that this header does not know. */
    static uint32_t number_of(SignatureAlgorithm algorithm) noexcept
    {
        switch (algorithm) {
        case SignatureAlgorithm::kRsaPkcs1Sha256:
            return 0x0401;
        case SignatureAlgorithm::kRsaPkcs1Sha384:
            return 0x0501;
        case SignatureAlgorithm::kRsaPkcs1Sha512:
            return 0x0601;
        case SignatureAlgorithm::kEcdsaSecp256r1Sha256:
            return 0x0403;
        case SignatureAlgorithm::kEcdsaSecp384r1Sha384:
            return 0x0503;
        case SignatureAlgorithm::kEcdsaSecp521r1Sha512:
            return 0x0603;
        case SignatureAlgorithm::kRsaPssRsaeSha256:
            return 0x0804;
        case SignatureAlgorithm::kRsaPssRsaeSha384:
            return 0x0805;
        case SignatureAlgorithm::kRsaPssRsaeSha512:
            return 0x0806;
        }
        return 0;
    }

    static const uint8_t *bytes_of(absl::string_view text) noexcept
    {
        return reinterpret_cast<const uint8_t *>(text.data());
    }

    Answer sign(absl::string_view input, uint32_t algorithm)
    {
        nk_error err = {};
        uint8_t signature[NK_SIGNATURE_BYTES];
        size_t len = 0;

        err.struct_size = sizeof(err);
        if (plugin_->sign(signer_, algorithm, bytes_of(input), input.size(), signature,
                          sizeof(signature), &len, &err) != NK_OK) {
            return Signature(status_of(err));
        }
        return Signature(std::string(reinterpret_cast<const char *>(signature), len));
    }

    /* nk_sign_done: owns the callback. */
    static void complete(void *arg, const uint8_t *signature, size_t len,
                         const nk_error *err) noexcept
    {
        std::unique_ptr<OnSignComplete> done(static_cast<OnSignComplete *>(arg));

        if (err->status == NK_OK) {
            (*done)(std::string(reinterpret_cast<const char *>(signature), len));
        } else {
            (*done)(status_of(*err));
        }
    }

    Answer start(absl::string_view input, uint32_t algorithm, OnSignComplete done)
    {
        std::unique_ptr<OnSignComplete> kept(new OnSignComplete(std::move(done)));
        nk_error err = {};
        nk_signing *signing = nullptr;

        err.struct_size = sizeof(err);
        if (plugin_->sign_start(signer_, algorithm, bytes_of(input), input.size(), complete,
                                kept.get(), &signing, &err) != NK_OK) {
            return Signature(status_of(err));
        }
        (void)kept.release(); /* to `complete`, which may have been called */
        return std::shared_ptr<AsyncSigningHandle>(
            std::make_shared<SigningHandle>(plugin_, signing));
    }

    const nk_plugin *plugin_;
    nk_signer *signer_;
};

} // namespace detail

/* [any] For nk_host.set_identity. NK_E_UNSUPPORTED: this gRPC takes no signers; NK_E_INTERNAL: it
 * takes this pair not. */
inline nk_status set_identity(void *host_data, const nk_plugin *plugin,
                              grpc_tls_certificate_provider *provider, nk_signer *signer,
                              const char *chain_pem)
{
    grpc_tls_identity_pairs *pairs = grpc_tls_identity_pairs_create();
    absl::Status status = grpc_tls_identity_pairs_add_pair_with_signer(
        pairs, std::make_shared<detail::Signer>(plugin, signer), chain_pem);

    (void)host_data;
    if (!status.ok()) {
        grpc_tls_identity_pairs_destroy(pairs);
        return absl::IsUnimplemented(status) ? NK_E_UNSUPPORTED : NK_E_INTERNAL;
    }
    return grpc_tls_certificate_provider_in_memory_set_identity_certificate(provider, pairs)
               ? NK_OK
               : NK_E_INTERNAL;
}

} // namespace nodekey
#endif
