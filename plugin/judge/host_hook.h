/* SPDX-License-Identifier: Apache-2.0
 * The host's verify_peer: on a thread of ours, with a deadline, eight at a time (hook_places.h). */
#ifndef NODEKEY_HOST_HOOK_H
#define NODEKEY_HOST_HOOK_H

#include "base/auto.h"
#include "nodekey/plugin.h"
#include "peer/peer.h"

struct host_hook; /* counted: by its owner, and by each question that is under way */

/* The hook of `host`, which is copied. NULL: no memory. Owned: host_hook_unref. [any] */
MUST_USE struct host_hook *host_hook_new(const nk_host *host);
/* NULL is allowed. [any] */
void host_hook_unref(struct host_hook *hook);
/* How long questions asked from now on may take, the wait for a place included. Before the first:
 * no time at all. [any] */
void host_hook_set_timeout(struct host_hook *hook, unsigned timeout_ms);

/* Peers from here on, and those that wait for a turn, are refused unasked. [any] */
void host_hook_close(struct host_hook *hook);

/* For a peer that the policy admits, so *verdict allows: asks the host, which can only narrow.
 * Keeps a reference to `peer` as long as the host looks at it. Late, busy, failed and unwritten
 * answers deny. Blocks at most as long as the timeout. [any] */
void host_hook_ask(struct host_hook *hook, struct peer *peer, nk_verdict *verdict);

#endif
