/* SPDX-License-Identifier: Apache-2.0
 * The other rival: pkcs11-provider, a package of that name from Debian 13 on. It is loaded in a
 * process of its own, like the first, and gets the same URIs. */
#ifndef NODEKEY_BENCH_PKCS11_PROVIDER_H
#define NODEKEY_BENCH_PKCS11_PROVIDER_H

#include <stdbool.h>

#include <openssl/evp.h>

#include "bench/sides/outpost.h"

/* False where the package is not installed: then there is no such rival. */
bool pkcs11_provider_is_there(void);
/* In the process that is to use it: loads it with that module. False: OpenSSL says why. */
bool pkcs11_provider_use(const char *module);
/* The PEM that names a key to programs that read private keys from files; see provider-pkcs11(7).
 * Lives until exit. */
const char *pkcs11_provider_pem(const char *uri);

/* As rival_start. */
struct outpost *pkcs11_provider_start(const char *label, const char *object, EVP_PKEY *public_key);

#endif
