/* SPDX-License-Identifier: Apache-2.0 */
#include "wait/bounded_call.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/exit_gate.h"
#include "base/fork.h"
#include "base/report.h"
#include "base/sigpipe.h"
#include "base/worker.h"

/* More than any deadline of ours that is not the caller's own. */
#define OWN_DEADLINE_MS 2000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards all errands, and the next */
static struct errand *left_behind;

static _Thread_local struct errand *current; /* this thread is one's */

/* Those who were left behind are threads of the parent's. */
static void renew(void)
{
    left_behind = NULL;
}

FORK_PART(.lock = &lock, .renew = renew);

void errand_init(struct errand *errand)
{
    clock_cond_init(&errand->changed);
    errand->refs = 1;
}

void errand_drop(struct errand *errand)
{
    pthread_mutex_lock(&lock);
    bool last = --errand->refs == 0;
    pthread_mutex_unlock(&lock);
    if (last) {
        pthread_cond_destroy(&errand->changed);
        errand->free(errand);
    }
}

void errand_step(const char *what)
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

/* Under lock. */
static void come_back(struct errand *errand)
{
    struct errand **link = &left_behind;

    while (*link != errand) {
        link = &(*link)->next;
    }
    *link = errand->next;
}

static void *work(void *arg)
{
    struct errand *errand = arg;

    sigpipe_blocked_for_good();
    gate_take_over();
    current = errand;
    errand->run(errand);
    pthread_mutex_lock(&lock);
    errand->done = true;
    bool left = errand->left;
    pthread_cond_signal(&errand->changed);
    pthread_mutex_unlock(&lock);
    if (left && errand->undo != NULL) {
        errand->undo(errand);
    }
    if (left) {
        pthread_mutex_lock(&lock);
        come_back(errand);
        pthread_mutex_unlock(&lock);
    }
    errand_drop(errand);
    gate_leave();
    return NULL;
}

/* --- on its caller's --- */

/* Under lock. */
static unsigned count_left(const struct errand *like, const struct errand **ret_last)
{
    unsigned count = 0;

    for (const struct errand *one = left_behind; one != NULL; one = one->next) {
        if (strcmp(one->where, like->where) == 0) {
            count++;
            *ret_last = one;
        }
    }
    return count;
}

/* Under lock. What has a deadline of its own ends by that, unless a lock that it needs again is
 * held by another thread whose call hangs. */
static long long when_too_long(const struct errand *errand, unsigned patience_ms)
{
    long long own_ms = errand->step == NULL ? OWN_DEADLINE_MS + (long long)patience_ms : 0;

    return errand->step_ms + own_ms + patience_ms;
}

/* Under lock. Until it is done, or has been at one thing for too long. */
static bool await(struct errand *errand, unsigned patience_ms, bool whole)
{
    long long end_ms = clock_now_ms() + patience_ms;

    while (!errand->done) {
        long long now_ms = clock_now_ms();
        if (!whole) {
            end_ms = when_too_long(errand, patience_ms);
        }
        if (now_ms >= end_ms) {
            return false;
        }
        struct timespec deadline = clock_deadline((unsigned)(end_ms - now_ms));
        (void)pthread_cond_timedwait(&errand->changed, &lock, &deadline);
    }
    return true;
}

/* Inside a stay at the gate, which the thread gets one of its own from. */
static enum errand_end send(struct errand *errand, unsigned patience_ms, bool whole)
{
    const struct errand *last = NULL;
    enum errand_end end = ERRAND_DONE;

    pthread_mutex_lock(&lock);
    if (!whole && count_left(errand, &last) >= ERRANDS_LEFT_MAX) {
        pthread_mutex_unlock(&lock);
        return ERRAND_REFUSED;
    }
    errand->done = false;
    errand->step = "its first call";
    errand->step_ms = clock_now_ms();
    errand->refs++;
    gate_lend();
    if (!worker_start(NULL, work, errand)) {
        gate_take_back();
        errand->refs--;
        end = ERRAND_FAILED;
    } else if (!await(errand, patience_ms, whole)) {
        errand->left = true;
        errand->next = left_behind;
        left_behind = errand;
        end = ERRAND_LEFT;
    }
    pthread_mutex_unlock(&lock);
    return end;
}

enum errand_end errand_run(struct errand *errand, unsigned patience_ms, bool whole)
{
    if (current != NULL || !gate_enter()) {
        errand->run(errand);
        return ERRAND_DONE;
    }
    enum errand_end end = send(errand, patience_ms, whole);
    gate_leave();
    return end;
}

nk_status errand_report(const struct errand *errand, enum errand_end end, unsigned patience_ms,
                        nk_error *err)
{
    const struct errand *hung = errand;
    char step[64] = "a call of another thread";
    long long for_ms = patience_ms;

    if (end == ERRAND_FAILED) {
        return report(err, NK_E_NOMEM, "no thread can be made for the calls into %s",
                      errand->where);
    }
    pthread_mutex_lock(&lock);
    if (end == ERRAND_REFUSED) {
        (void)count_left(errand, &hung);
    }
    if (hung->step != NULL) {
        snprintf(step, sizeof(step), "%s", hung->step);
        for_ms = clock_now_ms() - hung->step_ms;
    }
    pthread_mutex_unlock(&lock);
    return report(
        err, NK_E_TOKEN,
        "node.module: %s has not come back from %s for %lld ms%s; see to the token, or to "
        "the service or device behind the module%s",
        errand->where, step, for_ms, end == ERRAND_REFUSED ? "" : " (token.login_timeout_ms)",
        end == ERRAND_REFUSED ? "; too many calls hang in it to try another"
                              : "; the call is left behind");
}
