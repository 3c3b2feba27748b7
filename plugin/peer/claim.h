/* SPDX-License-Identifier: Apache-2.0
 * Claim of a peer about itself in a message, against its certificate. */
#ifndef NODEKEY_CLAIM_H
#define NODEKEY_CLAIM_H

#include "base/auto.h"
#include "nodekey/plugin.h"

/* [any] As nk_plugin.check_claim: NK_E_PEER says whose name or address the certificate has. */
MUST_USE nk_status claim_check(const nk_peer *peer, const char *claim, nk_error *err);

#endif
