/* SPDX-License-Identifier: Apache-2.0
 * A signature as a program asks OpenSSL for it, and as TLS 1.3 does: a new context, EVP_DigestSign
 * of a message as long as CertificateVerify's. */
#ifndef NODEKEY_BENCH_SIGNER_H
#define NODEKEY_BENCH_SIGNER_H

#include <stdbool.h>

#include <openssl/evp.h>

/* A key, and how it signs, which is asked once: of a provider's key an answer takes OpenSSL 3.0
 * twice as long as of an engine's. */
struct signer {
    EVP_PKEY *key; /* borrowed */
    const EVP_MD *digest;
    bool pss;
};

struct signer signer_of(EVP_PKEY *key);
/* True if `public_key` verifies what the key signs. */
bool signer_proves(const struct signer *signer, EVP_PKEY *public_key);
/* A team_operation; `user` is the signer. */
bool signer_sign(void *user, unsigned seat);

#endif
