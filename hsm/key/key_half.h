/* SPDX-License-Identifier: Apache-2.0
 * The public half of a private key, for those who come without a certificate. */
#ifndef NODEKEY_KEY_HALF_H
#define NODEKEY_KEY_HALF_H

#include "key/key.h"

/* Where the private key does not tell it itself (RSA), the one that a test signature proves: of the
 * objects of its id or label, then of `hint` (may be NULL) and of all on the token. With
 * `lone_is_enough` a single object of its id or label is taken without a signature. Of `key` the
 * token, its label and the URI are looked at. *ret_public NULL: none; else owned: EVP_PKEY_free.
 * Inside a use of the module. */
MUST_USE CK_RV key_public_half(const struct hsm_key *key, CK_SESSION_HANDLE session,
                               CK_OBJECT_HANDLE object, EVP_PKEY *hint, bool lone_is_enough,
                               EVP_PKEY **ret_public, nk_error *err);

#endif
