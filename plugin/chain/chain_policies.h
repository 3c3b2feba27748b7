/* SPDX-License-Identifier: Apache-2.0
 * Certificate policies of a path: RFC 5280 6.1 by OpenSSL. */
#ifndef NODEKEY_CHAIN_POLICIES_H
#define NODEKEY_CHAIN_POLICIES_H

#include <stdbool.h>

#include <openssl/x509_vfy.h>

#include "base/auto.h"

/* [any] Has OpenSSL check policies, also when no rule asks: policyConstraints and inhibitAnyPolicy
 * are critical, and without the flag OpenSSL takes them for known and does not enforce them. False:
 * no memory. */
MUST_USE bool chain_policies_ask(X509_VERIFY_PARAM *param);
/* [any] After X509_verify_cert. *ret_policies is owned, also after a failure: chain_policies_free.
 * False: no memory. */
MUST_USE bool chain_policies_read(const X509_STORE_CTX *ctx, X509 *leaf, char ***ret_policies,
                                  size_t *ret_len);
/* [any] */
void chain_policies_free(char **policies, size_t len);

#endif
