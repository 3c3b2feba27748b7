/* SPDX-License-Identifier: Apache-2.0
 * The ladder of recovery: a signature that fails is tried again after the object is found anew, the
 * token logged in to again, attached to again, or its module initialised again. Which return code
 * wants which rung is ckr_rung's to say. */
#ifndef NODEKEY_KEY_LADDER_H
#define NODEKEY_KEY_LADDER_H

#include "key/key.h"

/* One signature with the whole ladder, on this thread. *raw_len: in the room, out the length. A
 * failure has its sentence in `err`, if one is known. Inside a use of the key. */
MUST_USE CK_RV key_ladder_sign(struct hsm_key *key, struct to_sign *what, unsigned char *raw,
                               CK_ULONG *raw_len, nk_error *err);

#endif
