/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/host_hook.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/callback.h"
#include "base/clock.h"
#include "base/thread.h"
#include "chain/reasons.h"

/* One question. Shared by the asking thread, which may give up, and the answering one. */
struct question {
    struct core *core;
    struct peer *peer;
    nk_peer shown; /* the facts of `peer`, and `rule` */
    char rule[NK_RULE_NAME_BYTES];
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t answered_changed;
    bool answered;
    bool abandoned;
    nk_status status;
    nk_verdict answer;
};

static void question_free(struct question *question)
{
    peer_free(question->peer);
    core_unref(question->core);
    pthread_cond_destroy(&question->answered_changed);
    pthread_mutex_destroy(&question->lock);
    free(question);
}

static void *answer(void *arg)
{
    struct question *question = arg;
    const nk_host *host = &question->core->host;
    nk_verdict verdict = { .struct_size = sizeof(verdict), .decision = NK_DENY };

    callback_enter();
    nk_status status = host->verify_peer(host->host_data, &question->shown, &verdict);
    callback_leave();
    atomic_fetch_sub(&question->core->questions, 1);

    pthread_mutex_lock(&question->lock);
    question->status = status;
    question->answer = verdict;
    question->answered = true;
    bool abandoned = question->abandoned;
    pthread_cond_signal(&question->answered_changed);
    pthread_mutex_unlock(&question->lock);
    if (abandoned && hsm_enter()) { /* else the process exits: OpenSSL may be gone */
        question_free(question);
        hsm_leave();
    }
    return NULL;
}

static struct question *ask(struct core *core, struct peer *peer, const char *rule)
{
    struct question *question = calloc(1, sizeof(*question));

    if (question == NULL) {
        return NULL;
    }
    pthread_mutex_init(&question->lock, NULL);
    clock_cond_init(&question->answered_changed);
    question->core = core_ref(core);
    question->peer = peer_ref(peer);
    question->shown = peer->facts;
    snprintf(question->rule, sizeof(question->rule), "%s", rule);
    question->shown.rule = question->rule;
    if (!thread_start(NULL, answer, question)) {
        question_free(question);
        return NULL;
    }
    return question;
}

/* True when the answer is there; false leaves the question to the answering thread. */
static bool await_answer(struct question *question, unsigned timeout_ms)
{
    struct timespec deadline = clock_deadline(timeout_ms);
    int rc = 0;

    pthread_mutex_lock(&question->lock);
    while (!question->answered && rc == 0) {
        rc = pthread_cond_timedwait(&question->answered_changed, &question->lock, &deadline);
    }
    bool answered = question->answered;
    question->abandoned = !answered;
    pthread_mutex_unlock(&question->lock);
    return answered;
}

/* The host's own words go to the log; they end where its struct does. */
static void take_answer(struct question *question, nk_verdict *verdict)
{
    nk_verdict *given = &question->answer;

    given->detail[sizeof(given->detail) - 1] = '\0';
    given->reason[sizeof(given->reason) - 1] = '\0';
    if (question->status != NK_OK) {
        verdict_deny(verdict, REASON_HOOK_REFUSED, NULL, "verify_peer failed with status %d",
                     (int)question->status);
    } else if (given->decision != NK_ALLOW) {
        verdict_deny(verdict, REASON_HOOK_REFUSED, NULL, "%s%s%s", given->reason,
                     given->reason[0] != '\0' ? ": " : "",
                     given->detail[0] != '\0' ? given->detail : "verify_peer gave no reason");
    }
}

void hook_ask(struct core *core, struct peer *peer, unsigned timeout_ms, nk_verdict *verdict)
{
    if (core->host.verify_peer == NULL) {
        return;
    }
    if (atomic_fetch_add(&core->questions, 1) >= HOOK_OUTSTANDING_MAX) {
        atomic_fetch_sub(&core->questions, 1);
        verdict_deny(verdict, REASON_HOOK_BUSY, NULL, "%d calls of verify_peer are outstanding",
                     HOOK_OUTSTANDING_MAX);
        return;
    }
    struct question *question = ask(core, peer, verdict->rule);
    if (question == NULL) {
        atomic_fetch_sub(&core->questions, 1);
        verdict_deny(verdict, REASON_INTERNAL, NULL, "no thread for verify_peer");
        return;
    }
    if (!await_answer(question, timeout_ms)) {
        verdict_deny(verdict, REASON_HOOK_LATE, NULL, "verify_peer did not answer within %u ms",
                     timeout_ms);
        return;
    }
    take_answer(question, verdict);
    question_free(question);
}
