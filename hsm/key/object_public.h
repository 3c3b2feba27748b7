/* SPDX-License-Identifier: Apache-2.0
 * The public keys that objects of a token tell. All inside a use of the module. */
#ifndef NODEKEY_OBJECT_PUBLIC_H
#define NODEKEY_OBJECT_PUBLIC_H

#include <openssl/evp.h>
#include <p11-kit/pkcs11.h>

#include "base/auto.h"
#include "module/cryptoki.h"

/* Both: CKR_OK unless the module lies (ckr_is_lie). */

/* The public key that an object holds or tells: of a public key, or of an RSA private key. NULL: it
 * does not tell. Owned: EVP_PKEY_free. */
MUST_USE CK_RV object_public_key(const struct cryptoki *call, CK_SESSION_HANDLE session,
                                 CK_OBJECT_HANDLE object, EVP_PKEY **ret_key);
/* The public half of a private key: told by itself (RSA), by the public key object of its id, by a
 * certificate of its id, or by the public key object of its label. NULL: by none of them. Whether
 * it belongs to the key is for hsm_key_open to prove. Owned: EVP_PKEY_free. */
MUST_USE CK_RV object_public_half(const struct cryptoki *call, CK_SESSION_HANDLE session,
                                  CK_OBJECT_HANDLE private_key, EVP_PKEY **ret_key);

#endif
