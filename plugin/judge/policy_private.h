/* SPDX-License-Identifier: Apache-2.0
 * Shared by policy.c, which makes generations, and judge.c, which uses them. */
#ifndef NODEKEY_POLICY_PRIVATE_H
#define NODEKEY_POLICY_PRIVATE_H

#include <stdatomic.h>

#include "chain/chain.h"
#include "judge/digest.h"
#include "judge/policy.h"
#include "judge/rule_set.h"

struct policy {
    atomic_uint references;
    uint64_t generation;
    struct federation_settings settings;
    STACK_OF(X509) *roots;
    struct crls *crls; /* NULL: crl_mode off */
    struct rule_set *rules;
    struct chain *chain; /* of the roots and crls above */
    struct pool *pool;
    char digest[DIGEST_CHARS + 1];
};

#endif
