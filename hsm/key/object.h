/* SPDX-License-Identifier: Apache-2.0
 * Objects of a token: finding them, reading their attributes and the public keys that they hold.
 * All inside a stay of the module. */
#ifndef NODEKEY_OBJECT_H
#define NODEKEY_OBJECT_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/evp.h>
#include <p11-kit/pkcs11.h>

#include "base/auto.h"

#define OBJECT_FIELD_BYTES 2048 /* an RSA-8192 modulus has 1024 */

/* All objects that fit; *ret_found is owned: free. */
MUST_USE CK_RV object_find(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session,
                           CK_ATTRIBUTE *template, CK_ULONG template_len,
                           CK_OBJECT_HANDLE **ret_found, CK_ULONG *ret_len);
/* The attribute's bytes, or false: unknown, or longer than `room`. */
bool object_attribute(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                      CK_ATTRIBUTE_TYPE type, void *value, CK_ULONG room, CK_ULONG *ret_len);
/* The public key that an object holds or tells: of a public key, or of an RSA private key. NULL: it
 * does not tell. Owned: EVP_PKEY_free. */
EVP_PKEY *object_public_key(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session,
                            CK_OBJECT_HANDLE object);
/* "P-256", "RSA-3072", "Ed25519"; "" for a kind that nodekey does not use. */
void object_key_type(EVP_PKEY *key, char *text, size_t room);

#endif
