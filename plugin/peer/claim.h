/* SPDX-License-Identifier: Apache-2.0
 * What a peer says of itself in a message, against what its certificate says. */
#ifndef NODEKEY_CLAIM_H
#define NODEKEY_CLAIM_H

#include "base/auto.h"
#include "nodekey/plugin.h"

/* As nk_plugin.check_claim. */
MUST_USE nk_status claim_check(const nk_peer *peer, const char *claim, nk_error *err);

#endif
