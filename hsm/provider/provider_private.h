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

#define PROVIDER_TABLES(id, ...) extern const OSSL_DISPATCH keymgmt_##id[];
KEY_TYPES(PROVIDER_TABLES)
extern const OSSL_DISPATCH decoder_pem[], decoder_der[];
/* For digests, and for messages that are hashed here; and for messages that are signed whole. */
extern const OSSL_DISPATCH signature_prehashed[], signature_whole[];

/* Name of the decoder that makes keys, of all types: OpenSSL takes the type from the key, but looks
 * only at decoders that are called as a type of key. The rarest one, since a program's own key is
 * shown to decoders of its type. */
#define DECODER_OF_KEYS "ED25519"

#endif
