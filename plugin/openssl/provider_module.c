/* SPDX-License-Identifier: Apache-2.0
 * The provider as a module for openssl.cnf: keys are named by their URI, in PEM or where a program
 * takes a URI. The token is touched when the first key is asked for, never before: modules that
 * call OpenSSL themselves would wait for the very load that we are part of. */
#include "openssl/provider_terms.h"
#include "provider/provider.h"

OSSL_provider_init_fn OSSL_provider_init;

__attribute__((__visibility__("default"))) int OSSL_provider_init(const OSSL_CORE_HANDLE *core,
                                                                  const OSSL_DISPATCH *in,
                                                                  const OSSL_DISPATCH **out,
                                                                  void **ret_ctx)
{
    return provider_module_init(core, in, out, ret_ctx, provider_terms_from_file);
}
