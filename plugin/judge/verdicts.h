/* SPDX-License-Identifier: Apache-2.0
 * The verdicts of one instance: the policy in force, the host's hook, the audit and the cache of
 * verdicts. Counted: gRPC's objects hold them, and may outlive the instance. */
#ifndef NODEKEY_VERDICTS_H
#define NODEKEY_VERDICTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/auto.h"
#include "judge/policy.h"
#include "judge/showing.h"
#include "judge/unfinished_handshakes.h"
#include "nodekey/plugin.h"

struct verdicts;

/* The first generation of `config` (policy_new), its audit file and its timeout of the host's hook;
 * `host` is copied. Errors as policy_new and audit_open have them, NK_E_NOMEM. *ret_verdicts is
 * owned: verdicts_close, then verdicts_unref. [any] */
MUST_USE nk_status verdicts_open(struct config *config, const struct policy_memory *memory,
                                 const nk_host *host, struct verdicts **ret_verdicts,
                                 nk_error *err);
struct verdicts *verdicts_ref(struct verdicts *verdicts);
/* Makes no PKCS#11 call and joins no thread: gRPC may call it from anywhere. NULL is allowed. */
void verdicts_unref(struct verdicts *verdicts);

/* Every peer is refused from here on, with the reason "closed". [any] */
void verdicts_close(struct verdicts *verdicts);
bool verdicts_closed(const struct verdicts *verdicts);
/* False in a child of the process that made them: its threads, its folder, gRPC's and the locks
 * stayed with the parent. [any] */
bool verdicts_are_here(const struct verdicts *verdicts);
/* The host's functions; live as long as `verdicts`. */
const nk_host *verdicts_host(const struct verdicts *verdicts);
/* How long the host's verify_peer may take from now on. [any] */
void verdicts_set_hook_timeout(struct verdicts *verdicts, unsigned timeout_ms);
/* Handshakes of peers that dialled us; lives as long as `verdicts`. [any] */
struct unfinished_handshakes *verdicts_unfinished(struct verdicts *verdicts);

/* Logs how many refusals the log held back (verdict_log.h), at most once a minute unless `last`.
 * [one] */
void verdicts_tell_held_back(struct verdicts *verdicts, bool last);

/* The generation in force. Owned: policy_unref. [any] */
struct policy *verdicts_policy(struct verdicts *verdicts);
/* Takes over `policy`: it judges from here on. Guarded calls are the caller's to judge again. */
void verdicts_enforce(struct verdicts *verdicts, struct policy *policy);

/* Judges a peer that connects and asks the host's hook. The verdict is written in any case, logged
 * and audited. Blocks at most as long as the hook may take. [any] */
void verdicts_judge(struct verdicts *verdicts, const struct showing *showing, nk_verdict *verdict);
/* Judges one that is connected by the policy in force now, without the hook; `occasion` is for log
 * and audit. [any] */
bool verdicts_still_admit(struct verdicts *verdicts, const struct showing *showing,
                          const char *occasion);
/* Has the policy in force judged this leaf before, and does that still hold? Then *ret_allowed is
 * what verdicts_still_admit would say, for the price of a comparison. [any] */
MUST_USE bool verdicts_remember(struct verdicts *verdicts, uint32_t role, const char *leaf_pem,
                                size_t leaf_len, bool *ret_allowed);
/* Moment at which a peer is judged. */
struct occasion {
    const char *name;    /* "handshake", "rpc", "stream" */
    const char *address; /* of the other side, for the log; NULL: not known */
};
/* Judges, logs and audits a peer that was read already; *ret_until: how long an "allow" holds.
 * [any] */
bool verdicts_admit_peer(struct verdicts *verdicts, struct policy *policy, struct peer *peer,
                         const struct occasion *occasion, time_t *ret_until);

#endif
