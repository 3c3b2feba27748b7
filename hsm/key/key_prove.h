/* SPDX-License-Identifier: Apache-2.0
 * The proof that a token's object signs for the certificate: one signature. */
#ifndef NODEKEY_KEY_PROVE_H
#define NODEKEY_KEY_PROVE_H

#include "key/key.h"

/* C_SignInit, the PIN once more for a key that wants it at each signature, C_Sign. *raw_len: in the
 * room, out the length. Inside a lease. */
MUST_USE CK_RV key_sign_in(const struct hsm_key *key, CK_SESSION_HANDLE session,
                           CK_OBJECT_HANDLE object, struct to_sign *what, unsigned char *raw,
                           CK_ULONG *raw_len, nk_error *err);
/* Test signature by this scheme in this way, verified by the certificate's key:
 * CKR_NODEKEY_KEY_MISMATCH if it does not. Inside a lease. */
MUST_USE CK_RV key_prove(struct hsm_key *key, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                         const struct scheme_need *need, enum scheme_way way, nk_error *err);

#endif
