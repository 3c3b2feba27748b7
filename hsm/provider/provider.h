/* SPDX-License-Identifier: Apache-2.0
 * The OpenSSL 3 provider over our keys. Outside it, only these names are known. */
#ifndef NODEKEY_PROVIDER_H
#define NODEKEY_PROVIDER_H

#include <openssl/core.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

/* Both sort after "default": OpenSSL 3.0 sorts its providers by name, and the first that has an
 * algorithm gets the ordinary keys of the process. */
#define PROVIDER_BUILTIN_NAME "nodekey-plugin"
#define PROVIDER_MODULE_NAME "nodekey"

OSSL_provider_init_fn provider_init;

/* Makes the provider known to the default library context, once per process, for ever: unloading
 * at exit crashes with keys alive. Ordinary keys stay with the default provider, and this is
 * checked. NK_E_INTERNAL otherwise. [any] */
MUST_USE nk_status provider_register(nk_error *err);

#endif
