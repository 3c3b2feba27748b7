/* SPDX-License-Identifier: Apache-2.0
 * What a policy says, as one number: two nodes with the same roots, settings and rules have the
 * same, whatever the order and the files. */
#ifndef NODEKEY_DIGEST_H
#define NODEKEY_DIGEST_H

#include "base/auto.h"
#include "judge/policy.h"

MUST_USE nk_status digest_policy(const struct policy *policy, char hex[POLICY_DIGEST_CHARS + 1],
                                 nk_error *err);

#endif
