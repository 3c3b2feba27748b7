/* SPDX-License-Identifier: Apache-2.0
 * From a URI to exactly one private key that is fit to be one. */
#ifndef NODEKEY_KEY_FIND_H
#define NODEKEY_KEY_FIND_H

#include "key/key.h"

/* The one object that fits the URI, whatever its attributes; of `key` the token, its label and the
 * URI are looked at. Inside a lease. Texts: absent and ambiguous list the candidates. */
MUST_USE CK_RV key_locate(struct hsm_key *key, CK_SESSION_HANDLE session,
                          CK_OBJECT_HANDLE *ret_object, nk_error *err);
/* Of the objects that fit the URI the one that signs for key->public_key, with attributes that are
 * fit; *ret_object on CKR_OK. A lone object is asked for no signature. Inside a lease. */
MUST_USE CK_RV key_find(struct hsm_key *key, CK_SESSION_HANDLE session,
                        CK_OBJECT_HANDLE *ret_object, nk_error *err);

/* Does this object sign for key->public_key? RSA keys tell without a signature. Objects of another
 * kind, or that may not sign, are no error: *ret_ours false. Inside a use of the module. */
MUST_USE CK_RV key_signs_for(struct hsm_key *key, CK_SESSION_HANDLE session,
                             CK_OBJECT_HANDLE object, bool *ret_ours, nk_error *err);

#endif
