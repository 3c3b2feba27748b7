/* SPDX-License-Identifier: Apache-2.0
 * Signing: the hot path. */
#ifndef NODEKEY_KEY_SIGN_H
#define NODEKEY_KEY_SIGN_H

#include "key/key.h"

/* Signs as TLS wants it; two PKCS#11 calls, more only to recover. Logs a failure with its cure.
 * [any] */
MUST_USE CK_RV key_sign(struct hsm_key *key, const struct scheme *scheme,
                        const unsigned char *input, size_t len, unsigned char *signature,
                        size_t room, size_t *ret_len);
/* Counts a signature that is handed over, or logs why there is none. Inside a use. [any] */
void key_sign_count(struct hsm_key *key, CK_RV rv, const nk_error *err);

#endif
