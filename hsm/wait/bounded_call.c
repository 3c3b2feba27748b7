/* SPDX-License-Identifier: Apache-2.0 */
#include "wait/bounded_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/clock.h"
#include "base/exit_gate.h"
#include "base/fork.h"
#include "base/report.h"
#include "base/sigpipe.h"
#include "base/thread.h"
#include "base/words.h"

/* Longer than any deadline of ours that is not the caller's own. */
#define OWN_DEADLINE_MS 2000

/* Guards the own part of each bounded call, and the next. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct bounded_call *left_behind;

static _Thread_local struct bounded_call *current; /* what this thread was made for */

/* The threads that were left behind are the parent's. */
static void renew_left_behind(void)
{
    left_behind = NULL;
}

FORK_PART(.lock = &lock, .renew = renew_left_behind);

void *bounded_call_new(size_t bytes, void (*run)(struct bounded_call *bounded),
                       void (*clear)(struct bounded_call *bounded))
{
    struct bounded_call *bounded = calloc(1, bytes);

    if (bounded != NULL) {
        bounded->run = run;
        bounded->clear = clear;
        bounded->err.struct_size = sizeof(bounded->err);
        bounded->refs = 1;
        clock_cond_init(&bounded->changed);
    }
    return bounded;
}

void bounded_call_drop(struct bounded_call *bounded)
{
    pthread_mutex_lock(&lock);
    bool last = --bounded->refs == 0;
    pthread_mutex_unlock(&lock);
    if (last) {
        pthread_cond_destroy(&bounded->changed);
        bounded->clear(bounded);
        path_terms_unref(bounded->terms);
        free(bounded);
    }
}

void bounded_call_step(const char *what)
{
    if (current == NULL) {
        return;
    }
    pthread_mutex_lock(&lock);
    current->step = what;
    current->step_ms = clock_now_ms();
    pthread_mutex_unlock(&lock);
}

/* --- on its thread --- */

static void come_back(struct bounded_call *bounded)
{
    struct bounded_call **link = &left_behind;

    if (bounded->undo != NULL) {
        bounded->undo(bounded);
    }
    pthread_mutex_lock(&lock);
    while (*link != bounded) {
        link = &(*link)->next;
    }
    *link = bounded->next;
    pthread_mutex_unlock(&lock);
    bounded_call_drop(bounded);
}

static void *run_on_thread(void *arg)
{
    struct bounded_call *bounded = arg;
    bool outside_gate = bounded->outside_gate;

    sigpipe_blocked_for_good();
    exit_gate_take_over();
    if (outside_gate) {
        exit_gate_leave();
    } else {
        current = bounded;
    }
    (void)words_use(bounded->words);
    (void)path_terms_use(bounded->terms);
    bounded->run(bounded);
    if (!outside_gate) {
        /* Here, not as the thread ends: its caller may fork then, and the child would wait for
         * OpenSSL's lock for ever. */
        OPENSSL_thread_stop();
    }
    pthread_mutex_lock(&lock);
    bounded->done = true;
    bool left = bounded->left;
    bounded->refs -= left ? 0 : 1; /* never the last: the caller is there */
    pthread_cond_signal(&bounded->changed);
    pthread_mutex_unlock(&lock);
    if (left && exit_gate_enter()) { /* else the process exits: OpenSSL may be gone */
        come_back(bounded);
        exit_gate_leave();
    }
    if (!outside_gate) {
        exit_gate_leave();
    }
    return NULL;
}

/* --- on its caller's --- */

static unsigned count_left_locked(const struct bounded_call *like,
                                  const struct bounded_call **ret_last)
{
    unsigned count = 0;

    for (const struct bounded_call *one = left_behind; one != NULL; one = one->next) {
        if (strcmp(one->where, like->where) == 0) {
            count++;
            *ret_last = one;
        }
    }
    return count;
}

/* A step with a deadline of its own ends by that, unless a lock that it needs again is held by
 * another thread whose call hangs. */
static long long step_end_ms_locked(const struct bounded_call *bounded, unsigned patience_ms)
{
    long long own_ms = bounded->step == NULL ? OWN_DEADLINE_MS + (long long)patience_ms : 0;

    return bounded->step_ms + own_ms + patience_ms;
}

/* False: the call has been at one step for too long. */
static bool await_locked(struct bounded_call *bounded, unsigned patience_ms, bool whole)
{
    long long end_ms = clock_now_ms() + patience_ms;

    while (!bounded->done) {
        long long now_ms = clock_now_ms();
        if (!whole) {
            end_ms = step_end_ms_locked(bounded, patience_ms);
        }
        if (now_ms >= end_ms) {
            return false;
        }
        struct timespec deadline = clock_deadline((unsigned)(end_ms - now_ms));
        (void)pthread_cond_timedwait(&bounded->changed, &lock, &deadline);
    }
    return true;
}

/* Inside the exit gate, where the thread is lent a place of its own. */
static enum bounded_call_end start_and_await_call(struct bounded_call *bounded,
                                                  unsigned patience_ms, bool whole)
{
    const struct bounded_call *last = NULL;
    enum bounded_call_end end = BOUNDED_CALL_DONE;

    pthread_mutex_lock(&lock);
    if (!whole && count_left_locked(bounded, &last) >= BOUNDED_CALLS_LEFT_MAX) {
        pthread_mutex_unlock(&lock);
        return BOUNDED_CALL_REFUSED;
    }
    bounded->done = false;
    bounded->words = words();
    path_terms_unref(bounded->terms);
    bounded->terms = path_terms_ref(path_terms());
    bounded->step = "its first call";
    bounded->step_ms = clock_now_ms();
    bounded->refs++;
    exit_gate_lend();
    if (!thread_start(NULL, run_on_thread, bounded)) {
        exit_gate_take_back();
        bounded->refs--;
        end = BOUNDED_CALL_FAILED;
    } else if (!await_locked(bounded, patience_ms, whole)) {
        bounded->left = true;
        bounded->next = left_behind;
        left_behind = bounded;
        end = BOUNDED_CALL_LEFT;
    }
    pthread_mutex_unlock(&lock);
    return end;
}

enum bounded_call_end bounded_call_run(struct bounded_call *bounded, unsigned patience_ms,
                                       bool whole)
{
    bounded->err.status = NK_OK;
    if (current != NULL || !exit_gate_enter()) {
        bounded->run(bounded);
        return BOUNDED_CALL_DONE;
    }
    enum bounded_call_end end = start_and_await_call(bounded, patience_ms, whole);
    exit_gate_leave();
    return end;
}

nk_status bounded_call_report(const struct bounded_call *bounded, enum bounded_call_end end,
                              unsigned patience_ms, nk_error *err)
{
    const struct bounded_call *hung = bounded;
    char step[64] = "a call of another thread";
    long long for_ms = patience_ms;

    if (end == BOUNDED_CALL_DONE) {
        return bounded->status == NK_OK ? NK_OK : report_copy(err, &bounded->err);
    }
    if (end == BOUNDED_CALL_FAILED) {
        return report(err, NK_E_NOMEM, "no thread can be made for the calls into %s",
                      bounded->where);
    }
    pthread_mutex_lock(&lock);
    if (end == BOUNDED_CALL_REFUSED) {
        (void)count_left_locked(bounded, &hung);
    }
    if (hung->step != NULL) {
        snprintf(step, sizeof(step), "%s", hung->step);
        for_ms = clock_now_ms() - hung->step_ms;
    }
    pthread_mutex_unlock(&lock);
    return report(err, NK_E_TOKEN,
                  "%s: %s has not come back from %s for %lld ms%s; see to the token, or to "
                  "the service or device behind the module%s",
                  words()->module, bounded->where, step, for_ms,
                  end == BOUNDED_CALL_REFUSED ? "" : " (token.login_timeout_ms)",
                  end == BOUNDED_CALL_REFUSED ? "; too many calls hang in it to try another"
                                              : "; the call is left behind");
}
