/* SPDX-License-Identifier: Apache-2.0
 * What an instance and the credentials it made share, and what outlives close: the policy in force,
 * the identities, the folder. Counted by all of them. */
#ifndef NODEKEY_INSTANCE_H
#define NODEKEY_INSTANCE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "audit/audit.h"
#include "grpc/guard.h"
#include "grpc/publication.h"
#include "judge/policy.h"
#include "judge/unfinished_handshakes.h"
#include "judge/verdict_cache.h"
#include "node/identity.h"

struct polling_threads;
struct outbound;
struct housekeeping;

struct core {
    atomic_uint refs;
    atomic_bool closed;
    unsigned forks;       /* hsm_forks of the process that it serves; in a child it is not there */
    atomic_int questions; /* calls of the host's verify_peer under way */
    atomic_uint verify_timeout_ms;
    nk_host host;
    struct policy_memory memory;
    struct audit *audit; /* NULL: none is kept */
    struct verdict_cache *cache;
    struct guards *guards;
    pthread_mutex_t policy_lock;
    struct policy *policy;            /* guarded by policy_lock; core_policy */
    atomic_ullong generation;         /* of it */
    struct identity *ours[OUR_ROLES]; /* the same one twice, if one_identity */
    struct publication *publication;
    pthread_mutex_t outbound_lock;
    struct outbound *outbound; /* of credentials.c; guarded by outbound_lock */
    unsigned login_timeout_ms;
    unsigned lent_threads; /* that the configuration wants */
    pthread_mutex_t polling_lock;
    struct polling_threads *polling; /* of credentials.c; guarded by polling_lock */
    struct unfinished_handshakes unfinished;

    pthread_mutex_t reload_lock;
    /* guarded by reload_lock */
    char *path;            /* of the configuration; NULL: it came as text */
    struct config *config; /* in force; its rules are in the policy */
    bool publish_wanted;   /* a renewed certificate waits until gRPC's watcher can take it */
    bool rotates;          /* and it is on its way */
    char last_failure[NK_ERROR_TEXT_BYTES]; /* what the last reload said; "": nothing */
    char last_publish_failure[NK_ERROR_TEXT_BYTES];

    struct housekeeping *housekeeping; /* of steward.c; of open and close alone */
    uint64_t first_fingerprint;        /* of the files, before they were read */
};

/* Reads, checks and proves everything; takes over *config, which is NULL afterwards. `path` is
 * where it came from, or NULL. *ret_core is owned: core_close, then core_unref. */
MUST_USE nk_status core_open(struct config **config, const char *path, const nk_host *host,
                             struct core **ret_core, nk_error *err);
/* False in a child of the process that opened it: its threads, its folder, gRPC's and the locks
 * stayed with the parent. [any] */
bool core_is_here(const struct core *core);
struct core *core_ref(struct core *core);
/* Makes no PKCS#11 call and joins no thread: gRPC may call it from anywhere. */
void core_unref(struct core *core);
/* From here on the keys fail and peers are refused. Waits for signatures under way. Once. */
void core_close(struct core *core);

/* Hands what both roles show now to gRPC's watcher. Not twice within publish_due. */
MUST_USE nk_status core_publish(const struct core *core, nk_error *err);

/* The generation in force. Owned: policy_unref. */
struct policy *core_policy(struct core *core);
/* Takes over `policy`: it judges from here on. Then guards_judge. */
void core_enforce(struct core *core, struct policy *policy);

/* What a peer showed. Borrowed. */
struct showing {
    uint32_t role;
    const char *target; /* the dialled host, or NULL */
    const char *leaf_pem;
    const char *chain_pem;
};
/* Judges a peer that connects and asks the host's hook. The verdict is written in any case, logged
 * and audited. Blocks at most as long as the hook may take. [any] */
void core_judge(struct core *core, const struct showing *showing, nk_verdict *verdict);
/* Judges one that is connected by the policy in force now, without the hook; `occasion` is for log
 * and audit. [any] */
bool core_still_admits(struct core *core, const struct showing *showing, const char *occasion);
/* Has the policy in force judged this leaf before, and does that still hold? Then *ret_allowed is
 * what core_still_admits would say, for the price of a comparison. [any] */
MUST_USE bool core_remembers(struct core *core, uint32_t role, const char *leaf_pem,
                             size_t leaf_len, bool *ret_allowed);
/* Judges, logs and audits a peer that was read already; *ret_until: how long an "allow" holds.
 * [any] */
bool core_admits_peer(struct core *core, struct policy *policy, struct peer *peer,
                      const char *occasion, time_t *ret_until);

#endif
