/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/host_hook.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/callback.h"
#include "base/clock.h"
#include "base/thread.h"
#include "chain/reasons.h"
#include "hsm.h"

struct host_hook {
    atomic_uint refs;
    atomic_int questions; /* under way */
    atomic_uint timeout_ms;
    nk_host host;
};

/* One question. Shared by the asking thread, which may give up, and the answering one. */
struct question {
    struct host_hook *hook;
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

struct host_hook *host_hook_new(const nk_host *host)
{
    struct host_hook *hook = calloc(1, sizeof(*hook));

    if (hook != NULL) {
        atomic_init(&hook->refs, 1);
        hook->host = *host;
    }
    return hook;
}

void host_hook_unref(struct host_hook *hook)
{
    if (hook != NULL && atomic_fetch_sub(&hook->refs, 1) == 1) {
        free(hook);
    }
}

void host_hook_set_timeout(struct host_hook *hook, unsigned timeout_ms)
{
    atomic_store(&hook->timeout_ms, timeout_ms);
}

static void question_free(struct question *question)
{
    peer_free(question->peer);
    host_hook_unref(question->hook);
    pthread_cond_destroy(&question->answered_changed);
    pthread_mutex_destroy(&question->lock);
    free(question);
}

static void *answer_question(void *arg)
{
    struct question *question = arg;
    const nk_host *host = &question->hook->host;
    nk_verdict verdict = { .struct_size = sizeof(verdict), .decision = NK_DENY };

    callback_enter();
    nk_status status = host->verify_peer(host->host_data, &question->shown, &verdict);
    callback_leave();
    atomic_fetch_sub(&question->hook->questions, 1);

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

static struct question *start_question(struct host_hook *hook, struct peer *peer, const char *rule)
{
    struct question *question = calloc(1, sizeof(*question));

    if (question == NULL) {
        return NULL;
    }
    pthread_mutex_init(&question->lock, NULL);
    clock_cond_init(&question->answered_changed);
    atomic_fetch_add(&hook->refs, 1);
    question->hook = hook;
    question->peer = peer_ref(peer);
    question->shown = peer->facts;
    snprintf(question->rule, sizeof(question->rule), "%s", rule);
    question->shown.rule = question->rule;
    if (!thread_start(NULL, answer_question, question)) {
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

void host_hook_ask(struct host_hook *hook, struct peer *peer, nk_verdict *verdict)
{
    unsigned timeout_ms = atomic_load(&hook->timeout_ms);

    if (hook->host.verify_peer == NULL) {
        return;
    }
    if (atomic_fetch_add(&hook->questions, 1) >= HOOK_OUTSTANDING_MAX) {
        atomic_fetch_sub(&hook->questions, 1);
        verdict_deny(verdict, REASON_HOOK_BUSY, NULL, "%d calls of verify_peer are outstanding",
                     HOOK_OUTSTANDING_MAX);
        return;
    }
    struct question *question = start_question(hook, peer, verdict->rule);
    if (question == NULL) {
        atomic_fetch_sub(&hook->questions, 1);
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
