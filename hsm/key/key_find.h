/* SPDX-License-Identifier: Apache-2.0
 * From a URI to exactly one private key that is fit to be one. */
#ifndef NODEKEY_KEY_FIND_H
#define NODEKEY_KEY_FIND_H

#include "key/key.h"

/* The one object that fits the URI, whatever its attributes; of `key` the token, its label and the
 * URI are looked at. Inside a lease. Texts: absent and ambiguous list the candidates. */
MUST_USE CK_RV key_locate(struct hsm_key *key, CK_SESSION_HANDLE session,
                          CK_OBJECT_HANDLE *ret_object, nk_error *err);
/* Of the objects that fit the URI the one that signs for key->public_key, and its attributes are
 * fit; *ret_object on CKR_OK. A lone object is not asked for a signature. Inside a lease. */
MUST_USE CK_RV key_find(struct hsm_key *key, CK_SESSION_HANDLE session,
                        CK_OBJECT_HANDLE *ret_object, nk_error *err);

#endif
