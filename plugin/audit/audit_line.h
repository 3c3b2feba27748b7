/* SPDX-License-Identifier: Apache-2.0
 * Line of JSON for one verdict, as audit.h describes it. */
#ifndef NODEKEY_AUDIT_LINE_H
#define NODEKEY_AUDIT_LINE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

#define AUDIT_LINE_MAX_BYTES 32768u /* no peer can make a line as long */

struct audit_entry {
    const nk_peer *peer;  /* NULL: what it showed could not be read */
    uint32_t role;        /* the peer's */
    const char *occasion; /* "handshake", "rpc", "stream" */
    const nk_verdict *verdict;
    const char *candidate; /* the rule of admit_candidate; "" when none matched; NULL: not asked */
    const char *note;      /* crl_mode soft: what was absent or stale; NULL or "": nothing */
    uint64_t generation;   /* of the policy */
    const char *policy_digest; /* hex */
};

struct audit_counts {
    uint64_t held_back;
    uint64_t held_back_others;
    uint64_t lost;
};

/* [any] Returns its length, without newline or NUL. `entry` NULL: the line of audit_close. 0: no
 * memory. */
MUST_USE size_t audit_line_print(const struct audit_entry *entry, const struct audit_counts *counts,
                                 const struct timespec *now, char *text, size_t room);

#endif
