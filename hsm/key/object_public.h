/* SPDX-License-Identifier: Apache-2.0
 * The public keys that objects of a token tell. All inside a use of the module. */
#ifndef NODEKEY_OBJECT_PUBLIC_H
#define NODEKEY_OBJECT_PUBLIC_H

#include <openssl/evp.h>
#include <p11-kit/pkcs11.h>

#include "base/auto.h"
#include "module/cryptoki.h"

/* All: CKR_OK unless the module lies (ckr_is_lie). */

/* The public key that an object holds or tells: of a public key, or of an RSA private key. NULL: it
 * does not tell. Owned: EVP_PKEY_free. */
MUST_USE CK_RV object_public_key(const struct cryptoki *call, CK_SESSION_HANDLE session,
                                 CK_OBJECT_HANDLE object, EVP_PKEY **ret_key);

#define PUBLIC_HALVES_MAX 32 /* each may cost a signature */
/* Public keys that may be a private key's other half, none twice. Whether one is, is for a test
 * signature to say. All zero: none. */
struct public_halves {
    EVP_PKEY *keys[PUBLIC_HALVES_MAX];
    size_t len;
};
void public_halves_clear(struct public_halves *halves);
static inline void auto_public_halves_clear(struct public_halves *halves)
{
    public_halves_clear(halves);
}
/* `key` is borrowed; nothing is added for NULL, a key that is there, or where there is no room. */
void public_halves_add(struct public_halves *halves, EVP_PKEY *key);
/* Adds what lies on the token under the id of the private key, then under its label: public keys
 * and certificates. */
MUST_USE CK_RV object_tied_halves(const struct cryptoki *call, CK_SESSION_HANDLE session,
                                  CK_OBJECT_HANDLE private_key, struct public_halves *halves);
/* Adds the keys of all certificates and public key objects of the token. */
MUST_USE CK_RV object_all_halves(const struct cryptoki *call, CK_SESSION_HANDLE session,
                                 struct public_halves *halves);

#endif
