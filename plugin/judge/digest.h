/* SPDX-License-Identifier: Apache-2.0
 * The digest of a policy, one number for what it says: two nodes with the same roots, settings and
 * rules have the same, whatever the order and the files. */
#ifndef NODEKEY_DIGEST_H
#define NODEKEY_DIGEST_H

#include <openssl/x509.h>

#include "base/auto.h"
#include "config/config.h"
#include "judge/rule_set.h"
#include "nodekey/plugin.h"

#define DIGEST_CHARS 64 /* hex, without its NUL */

/* NK_E_TRUST: more roots than anybody needs. NK_E_NOMEM. [any] */
MUST_USE nk_status digest_policy(const struct federation_settings *settings, STACK_OF(X509) *roots,
                                 const struct rule_set *rules, char hex[DIGEST_CHARS + 1],
                                 nk_error *err);

#endif
