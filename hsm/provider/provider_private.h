/* SPDX-License-Identifier: Apache-2.0
 * The provider for one format of references, and the tables of its parts. */
#ifndef NODEKEY_PROVIDER_PRIVATE_H
#define NODEKEY_PROVIDER_PRIVATE_H

#include "provider/provider.h"
#include "provider/provider_context.h"

/* OSSL_provider_init, for one format; `read_terms` as in struct provider. */
int provider_start(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
                   void **ret_ctx, const struct reference_format *format,
                   provider_terms_reader *read_terms);

#define PROVIDER_TABLES(id, ...) extern const OSSL_DISPATCH keymgmt_##id[], decoder_##id[];
KEY_TYPES(PROVIDER_TABLES)
extern const OSSL_DISPATCH decoder_pem[];
/* For digests, and for messages that are hashed here; and for messages that are signed whole. */
extern const OSSL_DISPATCH signature_prehashed[], signature_whole[];

/* The decoders of a format whose DER has the structure of DECODER_FROM_DER. Two stages: a decoder
 * that went from PEM straight to a key crashes OpenSSL's file store, which hands the object to the
 * default provider. */
#define DECODER_ROW(id, type, ...) { type, DECODER_FROM_DER, decoder_##id, NULL },
#define DECODER_ROWS                                                                               \
    { "DER", PROVIDER_FROM_US ",input=pem", decoder_pem, NULL }, KEY_TYPES(DECODER_ROW)            \
    {                                                                                              \
        NULL, NULL, NULL, NULL                                                                     \
    }

#endif
