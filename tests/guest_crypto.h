/* SPDX-License-Identifier: Apache-2.0
 * What a program does with OpenSSL for itself, told as text that is the same each time. */
#ifndef NODEKEY_TESTS_GUEST_CRYPTO_H
#define NODEKEY_TESTS_GUEST_CRYPTO_H

/* What guest_crypto must tell, whatever else is in the process. */
extern const char guest_crypto_expected[];

/* Makes keys, signs, hashes, speaks TLS with itself. Owned: free. */
char *guest_crypto(void);

#endif
