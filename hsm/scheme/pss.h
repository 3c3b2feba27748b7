/* SPDX-License-Identifier: Apache-2.0
 * EMSA-PSS (RFC 8017 section 9.1.1), for tokens that only do the bare RSA operation. */
#ifndef NODEKEY_PSS_H
#define NODEKEY_PSS_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/evp.h>

#include "base/auto.h"

/* `digest` is hashed with `md`, which MGF1 uses too. Writes as many bytes as the modulus of
 * `modulus_bits` has to `out`, with a salt of its own. False: the modulus is too short for these,
 * or OpenSSL fails. */
MUST_USE bool pss_encode(const EVP_MD *md, const unsigned char *digest, size_t salt_len,
                         size_t modulus_bits, unsigned char *out, size_t room);

#endif
