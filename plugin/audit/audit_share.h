/* SPDX-License-Identifier: Apache-2.0
 * Share of each peer in the audit lines of a minute. With a share of N per peer, in each minute:
 *   one peer in one role              N lines, and N more that change its verdict
 *   all refused peers together        20 N lines
 *   peers seen for the first time     10 N lines if refused, 100 N if let in
 * A peer that was let in and is refused now changes its verdict, and so is beside the 20 N. Any
 * stranger can be refused under ever new certificates, but only members are let in, so the two have
 * budgets and counters apart: no flood of strangers hides or forgets which peers were let in.
 * Counters are kept for the 1,024 peers last let in and the 1,024 last refused; lines that a
 * forgotten counter held back are counted as others'. Pure but for memory; one caller at a time. */
#ifndef NODEKEY_AUDIT_SHARE_H
#define NODEKEY_AUDIT_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"

#define AUDIT_SHARE_PEERS 1024u /* let in; and as many refused */
#define AUDIT_SHARE_REFUSED 20u
#define AUDIT_SHARE_FIRST_REFUSED 10u
#define AUDIT_SHARE_FIRST_ALLOWED 100u

struct audit_share;

struct audit_seen {
    const uint8_t *fingerprint; /* NK_SHA256_BYTES; NULL: unreadable */
    uint32_t role;              /* NK_PEER_IS_* */
    uint32_t decision;          /* NK_ALLOW or NK_DENY */
};

struct audit_turn { /* leave to write one line, and the counts that the line tells */
    uint64_t held_back;
    uint64_t held_back_others;
    size_t slot; /* of audit_share.c */
};

/* [one] `per_peer` is at least 1. NULL: no memory; else owned: audit_share_free. */
MUST_USE struct audit_share *audit_share_new(unsigned per_peer);
/* [one] NULL is allowed. */
void audit_share_free(struct audit_share *share);
/* [one] `now_seconds` never goes back. False: the line is held back and counted. */
MUST_USE bool audit_share_take(struct audit_share *share, const struct audit_seen *seen,
                               int64_t now_seconds, struct audit_turn *ret_turn);
/* [one] For a last turn whose line could not be written: its counts are to be told again, and the
 * peer's next line counts as one that changes its verdict. */
void audit_share_untake(struct audit_share *share, const struct audit_turn *turn);
/* [one] Lines held back that no line told yet. */
uint64_t audit_share_untold(const struct audit_share *share);

#endif
