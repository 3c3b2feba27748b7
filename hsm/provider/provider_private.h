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

/* Algorithms of a provider that has keys of all types. */
extern const OSSL_ALGORITHM provider_keymgmts[], provider_signatures[];

/* OSSL_provider_init of gRPC's provider, one for each type of key: a process loads those that it
 * has keys for. */
#define PROVIDER_INIT(id, ...)                                                                     \
    OSSL_provider_init_fn provider_init_##id;                                                      \
    extern const OSSL_DISPATCH keymgmt_##id[], decoder_##id[];
KEY_TYPES(PROVIDER_INIT)
extern const OSSL_DISPATCH decoder_pem[]; /* the others are for DER */
/* For digests, and for messages that are hashed here; and for messages that are signed whole. */
extern const OSSL_DISPATCH signature_prehashed[], signature_whole[];

#endif
