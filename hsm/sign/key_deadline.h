/* SPDX-License-Identifier: Apache-2.0
 * Signing with a deadline: a signing worker of the token makes the calls, the breaker says whether
 * they are worth making. */
#ifndef NODEKEY_KEY_DEADLINE_H
#define NODEKEY_KEY_DEADLINE_H

#include "key/key.h"

/* Signs on a worker. Inside the exit gate and a use of the key. *ret_len bytes of `raw` on
 * CKR_OK. CKR_NODEKEY_NO_ANSWER, _AWAY and _BUSY have their sentence in `err`. The host's log is
 * told when the breaker opens and closes. [any] */
MUST_USE CK_RV key_sign_by_deadline(struct hsm_key *key, const struct scheme *scheme,
                                    const unsigned char *input, size_t len,
                                    unsigned char raw[SIGNATURE_MAX_BYTES], CK_ULONG *ret_len,
                                    nk_error *err);

#endif
