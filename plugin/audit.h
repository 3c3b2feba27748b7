/* SPDX-License-Identifier: Apache-2.0
 * The audit file: one JSON line per verdict, so that somebody who was not there can tell who was let
 * in or refused, when, by which rule of which policy. */
#ifndef NODEKEY_AUDIT_H
#define NODEKEY_AUDIT_H

#include <stdint.h>

#include "auto.h"
#include "nodekey/plugin.h"

struct audit; /* any thread, concurrently */

struct audit_entry {
    const nk_peer *peer; /* NULL: what it showed could not be read */
    uint32_t role;       /* the peer's */
    const char *occasion; /* "handshake", "rpc", "stream" */
    const nk_verdict *verdict;
    const char *candidate;    /* the rule of admit_candidate; "" when none matched; NULL: not asked */
    const char *note;         /* crl_mode soft: what was absent or stale; NULL or "": nothing */
    uint64_t generation;      /* of the policy */
    const char *policy_digest; /* hex */
};

/* Opens for appending, 0600, and creates it if need be; must be a regular file of root or us, no
 * symbolic link, closed to others. NK_E_CONFIG names the file and the cure. *ret_audit is owned:
 * audit_close. */
MUST_USE nk_status audit_open(const char *path, unsigned per_peer_per_minute, const nk_host *host,
                              struct audit **ret_audit, nk_error *err);
/* Writes one whole line with one write(2), or holds it back when this peer had its share for the
 * minute; the next line of that peer says how many were. Peers are told apart by the leaf's
 * fingerprint, unreadable ones are one peer; memory is bounded, and so is a flood of ever new
 * peers. A file that was renamed away (logrotate) is opened anew. Failure to write is logged, at
 * most once a minute, and changes no verdict. */
void audit_write(struct audit *audit, const struct audit_entry *entry);
void audit_close(struct audit *audit); /* NULL is allowed */

#endif
