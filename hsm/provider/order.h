/* SPDX-License-Identifier: Apache-2.0
 * Whether a program's ordinary keys come to our provider, which does not verify: then the program
 * could not even check its peer. */
#ifndef NODEKEY_ORDER_H
#define NODEKEY_ORDER_H

#include "base/report.h"
#include "provider/provider_context.h"

/* NK_E_CONFIG: they come to us, by the order of providers in openssl.cnf; the text says which one
 * is right. Asks the libcrypto that has loaded the provider, which may be another one than ours;
 * where it shows no functions, linked into a program, nothing can be asked, and NK_OK is answered.
 * [any] */
MUST_USE nk_status order_check(const struct provider *provider, nk_error *err);

#endif
