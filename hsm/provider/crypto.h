/* SPDX-License-Identifier: Apache-2.0
 * The libcrypto in which keys are loaded: that of the program's gRPC, which may be another copy
 * than ours. What crosses between the two is OSSL_DISPATCH and OSSL_PARAM alone; the provider works
 * with ours. */
#ifndef NODEKEY_CRYPTO_H
#define NODEKEY_CRYPTO_H

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/provider.h>

#include "nodekey/detail/core_names.h"

struct crypto {
#define CRYPTO_MEMBER(name) __typeof__(&(name)) name;
    NK_CORE_CRYPTO(CRYPTO_MEMBER)
#undef CRYPTO_MEMBER
};

#endif
