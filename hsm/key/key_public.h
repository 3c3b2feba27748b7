/* SPDX-License-Identifier: Apache-2.0
 * The public half of a private key, as its token tells it: for those who come with a URI and no
 * certificate. Whether it belongs to the key is for hsm_key_open to prove. */
#ifndef NODEKEY_KEY_PUBLIC_H
#define NODEKEY_KEY_PUBLIC_H

#include "key/key.h"

/* Joins the token. The half is found as key_public_half finds it. Bounded as hsm_key_open is; a PIN
 * that only the host or a descriptor can give is not to be had here. Both are owned: token_leave,
 * EVP_PKEY_free. */
MUST_USE nk_status key_public_open(const struct hsm_key_request *request, struct token **ret_token,
                                   EVP_PKEY **ret_public, nk_error *err);
/* The public key under the name of an open key now; NULL: the token does not tell within
 * `wait_ms`. `module_name` is for texts. Owned: EVP_PKEY_free. */
MUST_USE EVP_PKEY *key_public_now(struct hsm_key *key, const char *module_name, unsigned wait_ms);

#endif
