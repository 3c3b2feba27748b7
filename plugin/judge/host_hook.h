/* SPDX-License-Identifier: Apache-2.0
 * The host's verify_peer: on a thread of ours, with a deadline, at most eight at a time. */
#ifndef NODEKEY_HOST_HOOK_H
#define NODEKEY_HOST_HOOK_H

#include "node/instance.h"
#include "peer/peer.h"

#define HOOK_OUTSTANDING_MAX 8

/* For a peer that the policy admits, so *verdict allows: asks the host, which can only narrow.
 * Keeps a reference to `peer` as long as the host looks at it. Late, busy, failed and unwritten
 * answers deny. Blocks at most `timeout_ms`. */
void hook_ask(struct core *core, struct peer *peer, unsigned timeout_ms, nk_verdict *verdict);

#endif
