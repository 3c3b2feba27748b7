/* SPDX-License-Identifier: Apache-2.0
 * What an instance and the credentials it made share, and what outlives close: the policy, the
 * identities, the folder. Counted by all of them. */
#ifndef NODEKEY_CORE_H
#define NODEKEY_CORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "identity.h"
#include "policy.h"
#include "publish.h"

struct outbound;

struct core {
    atomic_uint refs;
    atomic_bool closed;
    atomic_int questions; /* calls of the host's verify_peer under way */
    nk_host host;
    struct policy *policy;
    struct identity *ours[OUR_ROLES]; /* the same one twice, if one_identity */
    struct publication *publication;
    pthread_mutex_t outbound_lock;
    struct outbound *outbound; /* of credentials.c; guarded by outbound_lock */
    unsigned verify_timeout_ms;
    unsigned login_timeout_ms;
};

/* Reads, checks and proves everything; takes what it needs out of `config`. *ret_core is owned:
 * core_close, then core_unref. */
MUST_USE nk_status core_open(struct config *config, const nk_host *host, struct core **ret_core,
                             nk_error *err);
struct core *core_ref(struct core *core);
/* Makes no PKCS#11 call and joins no thread: gRPC may call it from anywhere. */
void core_unref(struct core *core);
/* From here on the keys fail and peers are refused. Waits for signatures under way. Once. */
void core_close(struct core *core);

/* Judges what a peer showed and asks the host's hook. The verdict is written in any case, and
 * logged. Blocks at most as long as the hook may take. [any] */
void core_judge(struct core *core, uint32_t role, const char *target, const char *leaf_pem,
                const char *chain_pem, nk_verdict *verdict);

#endif
