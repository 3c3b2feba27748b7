/* SPDX-License-Identifier: Apache-2.0
 * Audit file: one JSON line per verdict, so that a reader who was not there can tell which peer was
 * let in or refused, when, by which rule of which policy.
 *
 * Every line is one object in ASCII with these members, always all of them, in this order; an
 * absent or empty one is null:
 *   time              RFC 3339, UTC, with milliseconds
 *   occasion          "handshake", "rpc", "stream"; "close" for counts that were left over
 *   direction, role   "inbound", "client" (the peer dialled us) or "outbound", "server"
 *   verdict           "allow" or "deny"
 *   rule, reason, detail
 *   fingerprint, spki SHA-256 of the leaf and of its key in hex; null: it could not be read
 *   cn
 *   names             [{"kind": "uri", "dns", "ip" or "email", "name": ...}]; a name of more than
 *                     1,024 bytes is cut and has "cut_from", its whole length
 *   names_omitted     how many names found no room: they get 8 KiB, so a line is below 32 KiB
 *   target            as dialled; cut to 512 bytes, as `note` is, it ends in "..."
 *   candidate         "" when it was asked and no rule matched
 *   note, generation, policy
 *   held_back         lines of this peer in this role, not written since its last one
 *   held_back_others  the same of peers who have no counter (any longer), since the last line
 *   lost              lines that could not be written, since the last line
 * Nothing is missing that is not counted: the lines that have a verdict, and these three summed up,
 * are all verdicts. After a disk was full, a piece of a line may stand on a line of its own. */
#ifndef NODEKEY_AUDIT_H
#define NODEKEY_AUDIT_H

#include "audit/audit_line.h"
#include "base/auto.h"
#include "nodekey/plugin.h"

struct audit; /* any thread, concurrently */

/* [one] Opens for appending, 0600, and creates it if need be; must be a regular file of root or us,
 * with one name, no symbolic link, closed to others. NK_E_CONFIG names the file and the cure; so it
 * does for a share of 0. `host` is borrowed until audit_close. *ret_audit is owned: audit_close. */
MUST_USE nk_status audit_open(const char *path, unsigned per_peer_per_minute, const nk_host *host,
                              struct audit **ret_audit, nk_error *err);
/* [any] Writes one whole line with one write(2), or holds it back when this peer had its share for
 * the minute (audit_share.h); the next line of that peer says how many were. Peers are told apart
 * by the leaf's fingerprint and the role, unreadable ones are one peer; memory is bounded, and so
 * is a flood of ever new peers. A file that was renamed away (logrotate) is opened anew within a
 * second; where that fails, the old one stays in use. Failure to write is logged, at most once a
 * minute, and changes no verdict. Blocks as long as the file system does. */
void audit_write(struct audit *audit, const struct audit_entry *entry);
/* [one] Writes the counts that no line told yet. NULL is allowed. */
void audit_close(struct audit *audit);

#endif
