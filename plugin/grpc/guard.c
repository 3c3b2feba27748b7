/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/guard.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "base/callback.h"
#include "base/report.h"
#include "grpc/core.h"
#include "grpc/peer_identity.h"
#include "grpc/refusal.h"
#include "judge/verdicts.h"

/* One call. Stays listed after it was cancelled: the host still has to let go of it. */
struct guard {
    grpc_call *call; /* a reference of ours */
    struct peer *peer;
    uint64_t generation; /* that admitted it */
    time_t until;
    bool judged_now; /* by the one thread that may touch `peer` then */
    bool cancelled;
    struct guard *next;
};

struct guards {
    pthread_mutex_t lock;
    struct guard *first; /* guarded by lock, and so is all that hangs on it */
};

static void release_context(grpc_auth_context *context)
{
    core()->grpc_auth_context_release(context);
}
DEFINE_AUTO(grpc_auth_context *, release_context);

struct guards *guards_new(void)
{
    struct guards *guards = calloc(1, sizeof(*guards));

    if (guards != NULL) {
        pthread_mutex_init(&guards->lock, NULL);
    }
    return guards;
}

static void guard_free(struct guard *guard)
{
    if (guard->call != NULL) {
        core()->grpc_call_unref(guard->call);
    }
    peer_free(guard->peer);
    free(guard);
}
DEFINE_AUTO(struct guard *, guard_free);

void guards_free(struct guards *guards)
{
    if (guards != NULL) {
        pthread_mutex_destroy(&guards->lock);
    }
    free(guards);
}

/* --- one call --- */

static struct guard **find_guard_locked(struct guards *guards, const grpc_call *call)
{
    struct guard **at = &guards->first;

    while (*at != NULL && (*at)->call != call) {
        at = &(*at)->next;
    }
    return at;
}

/* gRPC may run what the host has queued on this thread. */
static void cancel_call(grpc_call *call, bool closed)
{
    callback_enter();
    (void)core()->grpc_call_cancel_with_status(call, GRPC_STATUS_UNAUTHENTICATED,
                                               closed ? CLOSED : REFUSED, NULL);
    callback_leave();
}

static bool judge_call(struct verdicts *verdicts, struct policy *policy, grpc_call *call,
                       struct peer *peer, time_t *ret_until)
{
    char *address = core()->grpc_call_get_peer(call);
    bool admitted = verdicts_admit_peer(verdicts, policy, peer,
                                        &(struct occasion){ "stream", address }, ret_until);

    core()->gpr_free(address);
    return admitted;
}

static bool list_guard(struct guards *guards, struct guard *guard)
{
    pthread_mutex_lock(&guards->lock);
    bool fresh = *find_guard_locked(guards, guard->call) == NULL;
    if (fresh) {
        guard->next = guards->first;
        guards->first = guard;
    }
    pthread_mutex_unlock(&guards->lock);
    return fresh;
}

/* A policy may come into force between the judgement and the listing, and would miss the guard. */
static void judge_if_behind(struct guards *guards, struct verdicts *verdicts, uint64_t generation)
{
    AUTO(policy_unref) struct policy *policy = verdicts_policy(verdicts);

    if (policy_generation(policy) != generation || verdicts_closed(verdicts)) {
        guards_judge(guards, verdicts);
    }
}

nk_status guard_add(struct guards *guards, struct verdicts *verdicts, uint32_t role,
                    grpc_call *call, nk_error *err)
{
    if (!core_is_bound()) {
        return report(err, NK_E_USAGE, NO_CREDENTIALS);
    }
    AUTO(release_context) grpc_auth_context *context = core()->grpc_call_auth_context(call);
    AUTO(guard_free) struct guard *guard = calloc(1, sizeof(*guard));
    AUTO(policy_unref) struct policy *policy = verdicts_policy(verdicts);
    if (guard == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    if (context == NULL) {
        return report(err, NK_E_PEER,
                      "the call has no peer yet: guard it when its initial metadata is there");
    }
    nk_status status = peer_identity_peer(role, context, &guard->peer, err);
    if (status != NK_OK) {
        return status;
    }
    if (!judge_call(verdicts, policy, call, guard->peer, &guard->until)) {
        bool closed = verdicts_closed(verdicts);
        cancel_call(call, closed);
        return report(err, NK_E_PEER, "%s", closed ? CLOSED : REFUSED "; the log says why");
    }
    guard->generation = policy_generation(policy);
    core()->grpc_call_ref(call);
    guard->call = call;
    if (!list_guard(guards, guard)) {
        return report(err, NK_E_USAGE, "this call is guarded already");
    }
    guard = NULL;
    judge_if_behind(guards, verdicts, policy_generation(policy));
    return NK_OK;
}

nk_status guard_remove(struct guards *guards, grpc_call *call, nk_error *err)
{
    AUTO(guard_free) struct guard *guard = NULL;

    pthread_mutex_lock(&guards->lock);
    struct guard **at = find_guard_locked(guards, call);
    if (*at != NULL) {
        guard = *at;
        *at = guard->next;
    }
    pthread_mutex_unlock(&guards->lock);
    return guard != NULL ? NK_OK : report(err, NK_E_USAGE, "this call is not guarded");
}

/* --- all calls --- */

/* A guard that has to be judged, with references of the caller's, so that no lock of ours is held
 * while we judge, log and cancel. */
struct claim {
    grpc_call *call; /* NULL: nobody has to */
    struct peer *peer;
};

static bool is_behind(const struct guard *guard, uint64_t generation, time_t now)
{
    return !guard->cancelled && !guard->judged_now &&
           (guard->generation < generation || now >= guard->until);
}

static struct claim claim_next(struct guards *guards, uint64_t generation, bool closed)
{
    time_t now = time(NULL);
    struct claim claim = { .call = NULL };

    pthread_mutex_lock(&guards->lock);
    for (struct guard *guard = guards->first; guard != NULL; guard = guard->next) {
        if (is_behind(guard, closed ? UINT64_MAX : generation, now)) {
            guard->judged_now = true;
            claim = (struct claim){ .call = guard->call, .peer = peer_ref(guard->peer) };
            core()->grpc_call_ref(claim.call);
            break;
        }
    }
    pthread_mutex_unlock(&guards->lock);
    return claim;
}

static void settle_claim(struct guards *guards, const struct claim *claim, uint64_t generation,
                         bool admitted, time_t until)
{
    pthread_mutex_lock(&guards->lock);
    struct guard *guard = *find_guard_locked(guards, claim->call);
    if (guard != NULL) { /* else the host let go of it meanwhile */
        guard->judged_now = false;
        guard->generation = generation;
        guard->until = until;
        guard->cancelled = !admitted;
    }
    pthread_mutex_unlock(&guards->lock);
}

/* False: nobody is behind the policy in force. */
static bool judge_next_guard(struct guards *guards, struct verdicts *verdicts)
{
    time_t until = 0;
    AUTO(policy_unref) struct policy *policy = verdicts_policy(verdicts);
    uint64_t generation = policy_generation(policy);
    struct claim claim = claim_next(guards, generation, verdicts_closed(verdicts));

    if (claim.call == NULL) {
        return false;
    }
    bool admitted = judge_call(verdicts, policy, claim.call, claim.peer, &until);
    settle_claim(guards, &claim, generation, admitted, until);
    if (!admitted) {
        cancel_call(claim.call, verdicts_closed(verdicts));
    }
    core()->grpc_call_unref(claim.call);
    peer_free(claim.peer);
    return true;
}

/* The policy is asked for anew each time: what another thread is judging by an older one, that
 * thread will find behind. */
void guards_judge(struct guards *guards, struct verdicts *verdicts)
{
    while (judge_next_guard(guards, verdicts)) {
    }
}

void guards_close(struct guards *guards)
{
    pthread_mutex_lock(&guards->lock);
    struct guard *all = guards->first;
    guards->first = NULL;
    pthread_mutex_unlock(&guards->lock);
    while (all != NULL) {
        struct guard *guard = all;
        all = guard->next;
        if (!guard->cancelled) {
            cancel_call(guard->call, true);
        }
        guard_free(guard);
    }
}
