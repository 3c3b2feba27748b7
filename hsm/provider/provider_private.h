/* SPDX-License-Identifier: Apache-2.0
 * The provider, for one format of references. */
#ifndef NODEKEY_PROVIDER_PRIVATE_H
#define NODEKEY_PROVIDER_PRIVATE_H

#include "provider/provider.h"
#include "provider/provider_context.h"

/* OSSL_provider_init, for one format; `read_terms` as in struct provider. */
int provider_start(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
                   void **ret_ctx, const struct reference_format *format,
                   provider_terms_reader *read_terms);

#endif
