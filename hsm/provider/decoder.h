/* SPDX-License-Identifier: Apache-2.0
 * DECODER, in two stages: PEM of our label to DER, DER to a key object. Input that is not ours is
 * passed over in silence; a reference of ours that fails raises and stops. */
#ifndef NODEKEY_DECODER_H
#define NODEKEY_DECODER_H

#include <openssl/core_dispatch.h>

#include "key/key_kinds.h"

extern const OSSL_DISPATCH decoder_pem[];
#define DECODER_TABLE(id, ...) extern const OSSL_DISPATCH decoder_##id[];
KEY_TYPES(DECODER_TABLE)

/* The rows of a format whose DER has that structure. Two stages: one that went from PEM straight to
 * a key crashes OpenSSL's file store, which hands the object to the default provider. */
#define DECODER_ROW(id, type, ...) { type, DECODER_FROM_DER, decoder_##id, NULL },
#define DECODER_ROWS                                                                               \
    { "DER", PROVIDER_FROM_US ",input=pem", decoder_pem, NULL }, KEY_TYPES(DECODER_ROW)            \
    {                                                                                              \
        NULL, NULL, NULL, NULL                                                                     \
    }

#endif
