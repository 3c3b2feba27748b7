// SPDX-License-Identifier: Apache-2.0
// Behind nodekey.hpp: gRPC's C++ signers, and so its Abseil, are taken where the core has them.
#if defined(NODEKEY_BORINGSSL_HPP) != __has_include(<grpc/private_key_signer.h>)
#error "nodekey.hpp takes boringssl.hpp by something else than what this gRPC has"
#endif
