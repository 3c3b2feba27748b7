/* SPDX-License-Identifier: Apache-2.0
 * Whether our own rules admit us: members of a federation mostly have the same, so what ours
 * refuse, those of others do. */
#ifndef NODEKEY_ADMISSION_H
#define NODEKEY_ADMISSION_H

#include <stdbool.h>

#include "base/auto.h"
#include "judge/own_chain.h"
#include "judge/policy.h"

/* Whether a peer of the policy's admits the holder of these certificates in that role (OUR_SERVER,
 * OUR_CLIENT), under whatever name it was dialled; else `why`. [any] */
MUST_USE bool admission_of_ours(struct policy *policy, int our_role, const struct own_chain *ours,
                                char why[NK_DETAIL_BYTES]);

#endif
