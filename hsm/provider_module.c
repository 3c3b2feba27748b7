/* SPDX-License-Identifier: Apache-2.0
 * The provider as a module for openssl.cnf. */
#include "provider.h"

OSSL_provider_init_fn OSSL_provider_init;

__attribute__((__visibility__("default"))) int OSSL_provider_init(const OSSL_CORE_HANDLE *core,
                                                                  const OSSL_DISPATCH *in,
                                                                  const OSSL_DISPATCH **out,
                                                                  void **ret_ctx)
{
    return provider_init_module(core, in, out, ret_ctx);
}
