/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/host_hook.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/callback.h"
#include "base/clock.h"
#include "chain/reasons.h"
#include "judge/hook_places.h"
#include "wait/bounded_call.h"

struct host_hook {
    atomic_uint refs;
    atomic_bool closed;
    atomic_uint timeout_ms;
    struct hook_places places;
    nk_host host;
};

/* One question, shared by the asking thread, which may give up, and the answering one. */
struct question {
    struct bounded_call bounded; /* first: the thread knows no more */
    struct host_hook *hook;
    struct peer *peer;
    nk_peer shown; /* the facts of `peer`, and `rule` */
    char rule[NK_RULE_NAME_BYTES];
    nk_verdict answer;
};

struct host_hook *host_hook_new(const nk_host *host)
{
    struct host_hook *hook = calloc(1, sizeof(*hook));

    if (hook != NULL) {
        atomic_init(&hook->refs, 1);
        hook_places_init(&hook->places);
        hook->host = *host;
    }
    return hook;
}

void host_hook_unref(struct host_hook *hook)
{
    if (hook != NULL && atomic_fetch_sub(&hook->refs, 1) == 1) {
        hook_places_destroy(&hook->places);
        free(hook);
    }
}

void host_hook_set_timeout(struct host_hook *hook, unsigned timeout_ms)
{
    atomic_store(&hook->timeout_ms, timeout_ms);
}

void host_hook_close(struct host_hook *hook)
{
    atomic_store(&hook->closed, true);
}

static void clear_question(struct bounded_call *bounded)
{
    struct question *question = (struct question *)bounded;

    peer_free(question->peer);
    host_hook_unref(question->hook);
}

static void answer_question(struct bounded_call *bounded)
{
    struct question *question = (struct question *)bounded;
    const nk_host *host = &question->hook->host;

    callback_enter();
    question->bounded.status =
        host->verify_peer(host->host_data, &question->shown, &question->answer);
    callback_leave();
}

/* Of a question that was given up. */
static void return_late(struct bounded_call *bounded)
{
    hook_places_returned(&((struct question *)bounded)->hook->places);
}

static struct question *new_question(struct host_hook *hook, struct peer *peer, const char *rule)
{
    struct question *question =
        bounded_call_new(sizeof(*question), answer_question, clear_question);

    if (question == NULL) {
        return NULL;
    }
    question->bounded.where = "verify_peer";
    question->bounded.undo = return_late;
    question->bounded.outside_gate = true;
    atomic_fetch_add(&hook->refs, 1);
    question->hook = hook;
    question->peer = peer_ref(peer);
    question->shown = peer->facts;
    snprintf(question->rule, sizeof(question->rule), "%s", rule);
    question->shown.rule = question->rule;
    question->answer.struct_size = sizeof(question->answer);
    return question;
}

/* The host's own words go to the log; they end where its struct does. */
static void take_answer(struct question *question, nk_verdict *verdict)
{
    nk_verdict *given = &question->answer;

    given->detail[sizeof(given->detail) - 1] = '\0';
    given->reason[sizeof(given->reason) - 1] = '\0';
    if (question->bounded.status != NK_OK) {
        verdict_deny(verdict, REASON_HOOK_REFUSED, NULL, "verify_peer failed with status %d",
                     (int)question->bounded.status);
    } else if (given->decision != NK_ALLOW) {
        verdict_deny(verdict, REASON_HOOK_REFUSED, NULL, "%s%s%s", given->reason,
                     given->reason[0] != '\0' ? ": " : "",
                     given->detail[0] != '\0' ? given->detail : "verify_peer gave no reason");
    }
}

/* In a place of its own, which it gives back. */
static void put_question(struct host_hook *hook, struct hook_place *place, struct peer *peer,
                         long long deadline_ms, nk_verdict *verdict)
{
    long long left_ms = deadline_ms - clock_now_ms();
    enum bounded_call_end end = BOUNDED_CALL_FAILED;

    if (atomic_load(&hook->closed)) { /* while it waited */
        hook_places_end(&hook->places, place);
        verdict_deny(verdict, REASON_CLOSED, NULL, "instance closed");
        return;
    }
    struct question *question = new_question(hook, peer, verdict->rule);

    if (question != NULL) {
        end = bounded_call_run(&question->bounded, left_ms > 0 ? (unsigned)left_ms : 0, true);
    }
    if (end == BOUNDED_CALL_LEFT) {
        hook_places_leave(&hook->places, place);
        verdict_deny(verdict, REASON_HOOK_LATE, NULL, "verify_peer did not answer within %u ms",
                     place->patience_ms);
    } else {
        hook_places_end(&hook->places, place);
    }
    if (end == BOUNDED_CALL_DONE) {
        take_answer(question, verdict);
    } else if (end != BOUNDED_CALL_LEFT) {
        verdict_deny(verdict, REASON_INTERNAL, NULL, "no thread for verify_peer");
    }
    if (question != NULL) {
        bounded_call_drop(&question->bounded);
    }
}

void host_hook_ask(struct host_hook *hook, struct peer *peer, nk_verdict *verdict)
{
    unsigned timeout_ms = atomic_load(&hook->timeout_ms);
    long long deadline_ms = clock_now_ms() + timeout_ms;
    struct hook_place place;

    if (hook->host.verify_peer == NULL) {
        return;
    }
    switch (hook_places_take(&hook->places, &place, deadline_ms, timeout_ms)) {
    case HOOK_TURN:
        put_question(hook, &place, peer, deadline_ms, verdict);
        return;
    case HOOK_TURN_LATE:
        verdict_deny(verdict, REASON_HOOK_LATE, NULL,
                     "verify_peer was not asked within %u ms: %d other calls of it ran", timeout_ms,
                     HOOK_PLACES);
        return;
    case HOOK_TURN_BUSY:
        break;
    }
    verdict_deny(verdict, REASON_HOOK_BUSY, NULL,
                 "%d calls of verify_peer have not come back, though they were given up",
                 HOOK_LEFT_MAX);
}
