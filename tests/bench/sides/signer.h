/* SPDX-License-Identifier: Apache-2.0
 * A signature as a program asks OpenSSL for it, and as TLS 1.3 does: a new context, EVP_DigestSign
 * of a message as long as CertificateVerify's. */
#ifndef NODEKEY_BENCH_SIGNER_H
#define NODEKEY_BENCH_SIGNER_H

#include <stdbool.h>

#include <openssl/evp.h>

/* True if `public_key` verifies what `key` signs. */
bool signer_proves(EVP_PKEY *key, EVP_PKEY *public_key);
/* A team_operation; `user` is the EVP_PKEY. */
bool signer_sign(void *user, unsigned seat);

#endif
