/* SPDX-License-Identifier: Apache-2.0
 * What TLS wants signed, by the number of its scheme: found among those that the key signs, and
 * hashed, unless the token does that. */
#ifndef NODEKEY_KEY_MESSAGE_H
#define NODEKEY_KEY_MESSAGE_H

#include "key/key.h"

struct to_hash {
    struct scheme scheme;
    const unsigned char *input; /* `digest`, or the message */
    size_t len;
    unsigned char digest[EVP_MAX_MD_SIZE];
};

/* NK_E_UNSUPPORTED: the key does not sign by that algorithm. */
MUST_USE nk_status key_message_read(const struct hsm_key *key, const struct hsm_message *message,
                                    struct to_hash *ret_hashed, nk_error *err);
/* The status of what key_sign and its like answer, with a sentence. */
nk_status key_message_report(const struct hsm_key *key, CK_RV rv, nk_error *err);

#endif
