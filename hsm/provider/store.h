/* SPDX-License-Identifier: Apache-2.0
 * STORE: a pkcs11: URI where a program takes one. It gives the private key, then the certificate of
 * that name with its issuers, or only what the program expects. */
#ifndef NODEKEY_STORE_H
#define NODEKEY_STORE_H

#include <openssl/core_dispatch.h>

extern const OSSL_DISPATCH store_pkcs11[];

#endif
