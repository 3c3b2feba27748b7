/* SPDX-License-Identifier: Apache-2.0
 * The OpenSSL 3 provider over our keys. Outside it, only these names are known. */
#ifndef NODEKEY_PROVIDER_H
#define NODEKEY_PROVIDER_H

#include <openssl/core.h>

#include "nodekey/plugin.h"

/* Names that sort after "default": OpenSSL 3.0 sorts its providers by name, and the first that
 * has an algorithm gets the ordinary keys of the process. */
#define PROVIDER_BUILTIN_NAME "nodekey-plugin"
#define PROVIDER_MODULE_NAME "nodekey"

struct provider_terms;
/* Fills in zeroed terms for the key that `uri` names, from a node's configuration file. */
typedef nk_status provider_terms_reader(const char *path, const char *uri,
                                        struct provider_terms *terms, nk_error *err);
/* OSSL_provider_init for nodekey-provider.so, whose openssl.cnf section may name such a file:
 * `read_terms` is the caller's reader of it. */
int provider_module_init(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in,
                         const OSSL_DISPATCH **out, void **ret_ctx,
                         provider_terms_reader *read_terms);

#endif
