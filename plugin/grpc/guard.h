/* SPDX-License-Identifier: Apache-2.0
 * Calls that the host asked us to watch: streams, which the check per RPC sees only once. */
#ifndef NODEKEY_GUARD_H
#define NODEKEY_GUARD_H

#include <stdint.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

struct verdicts;
struct guards; /* any thread, concurrently */

MUST_USE struct guards *guards_new(void); /* NULL: no memory */
void guards_free(struct guards *guards);  /* after guards_close: a call holds what holds us */

/* Judges the peer of `call` now, and from now on after each change. Takes a reference to the call.
 * NK_E_PEER: not admitted (the call is cancelled), or no peer is known yet. NK_E_USAGE: guarded
 * already. */
MUST_USE nk_status guard_add(struct guards *guards, struct verdicts *verdicts, uint32_t role,
                             struct grpc_call *call, nk_error *err);
/* NK_E_USAGE: it was not guarded. */
MUST_USE nk_status guard_remove(struct guards *guards, struct grpc_call *call, nk_error *err);

/* Judges those again that the policy in force has not judged, or whose admission has run out, and
 * cancels with UNAUTHENTICATED who is refused. Any thread: no lock is held meanwhile. */
void guards_judge(struct guards *guards, struct verdicts *verdicts);
/* After verdicts_close: cancels every call and lets go of it. */
void guards_close(struct guards *guards);

#endif
