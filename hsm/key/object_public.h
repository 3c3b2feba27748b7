/* SPDX-License-Identifier: Apache-2.0
 * The public keys that objects of a token tell. All inside a use of the module. */
#ifndef NODEKEY_OBJECT_PUBLIC_H
#define NODEKEY_OBJECT_PUBLIC_H

#include <openssl/evp.h>
#include <p11-kit/pkcs11.h>

#include "base/auto.h"

/* The public key that an object holds or tells: of a public key, or of an RSA private key. NULL: it
 * does not tell. Owned: EVP_PKEY_free. */
MUST_USE EVP_PKEY *object_public_key(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session,
                                     CK_OBJECT_HANDLE object);
/* The public half of a private key: told by itself (RSA), by the public key object of its id, by a
 * certificate of its id, or by the public key object of its label. NULL: by none of them. Whether
 * it belongs to the key is for hsm_key_open to prove. Owned: EVP_PKEY_free. */
MUST_USE EVP_PKEY *object_public_half(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session,
                                      CK_OBJECT_HANDLE private_key);

#endif
