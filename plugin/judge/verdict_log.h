/* SPDX-License-Identifier: Apache-2.0
 * The host's log of verdicts. Strangers cause its lines, so each peer has a share of them in a
 * minute, as in the audit (audit/audit_share.h), but servers that we dial share with nobody who
 * dials us; and what was held back is counted. */
#ifndef NODEKEY_VERDICT_LOG_H
#define NODEKEY_VERDICT_LOG_H

#include "base/auto.h"
#include "judge/policy.h"
#include "nodekey/plugin.h"
#include "peer/peer.h"

#define VERDICT_LOG_PER_PEER 60 /* lines a minute; the audit's default */

struct verdict_log;

struct verdict_event {
    uint32_t role;           /* of the peer */
    const char *occasion;    /* "handshake", "rpc", "stream" */
    const char *address;     /* of the other side, as gRPC spells it; NULL: not known */
    const struct peer *peer; /* NULL: it could not be read */
    const struct opinion *opinion;
};

/* `host` is borrowed. NULL: no memory. Owned: verdict_log_free. [any] */
MUST_USE struct verdict_log *verdict_log_new(const nk_host *host);
void verdict_log_free(struct verdict_log *log); /* NULL is allowed */
/* Logs the verdict, its note and what admit_candidate says of it, or counts it. [any] */
void verdict_log_write(struct verdict_log *log, const struct verdict_event *event);
/* Logs how many more refusals were held back, at most once a minute unless `last`. [one] */
void verdict_log_tell(struct verdict_log *log, long long now_ms, bool last);

#endif
