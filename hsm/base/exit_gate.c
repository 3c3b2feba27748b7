/* SPDX-License-Identifier: Apache-2.0 */
#include "base/exit_gate.h"

#include <stdatomic.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "base/clock.h"
#include "base/fork.h"

#define WAIT_MS 2000
/* A thread between two signatures is outside, yet comes back within a moment: OpenSSL's own
 * cleanup, which follows us where the host had used it first, must find it parked. */
#define QUIET_MS 50
/* An exit handler of the host's may wait for a thread that we hold: better an error than a hang. */
#define PARK_MS 5000

static atomic_int inside;
static atomic_int parked;
static atomic_bool closing;
static atomic_bool used; /* in this process; a child that never was inside need not wait at exit */
static _Thread_local bool exiting_here;
static _Thread_local unsigned depth; /* of uses on this thread: a nested one is never parked */

static void close_gate(void)
{
    if (fork_is_foreign() || !atomic_load(&used) || atomic_exchange(&closing, true)) {
        return;
    }
    exiting_here = true;
    const int own = depth > 0 ? 1 : 0; /* exit() in a callback of ours */
    int quiet = 0;
    int seen = atomic_load(&parked);
    for (int waited = 0; waited < WAIT_MS && quiet < QUIET_MS; waited++) {
        clock_sleep_ms(1);
        int now = atomic_load(&parked);
        quiet = now == seen && atomic_load(&inside) == own ? quiet + 1 : 0;
        seen = now;
    }
}

void exit_gate_keep_openssl(void)
{
    /* OpenSSL heeds the first call; a call that comes too late is not told so. */
    (void)OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
}

void exit_gate_arm(void)
{
    /* No handler left (ENOMEM) means the old risk at exit, not a reason to refuse service. */
    (void)atexit(close_gate);
}

/* A child has this thread alone, and its exit has not begun. The order of renewals does not matter:
 * those of other parts do not pass the gate. */
static void renew_gate(void)
{
    atomic_store(&inside, 0);
    atomic_store(&parked, 0);
    atomic_store(&closing, false);
    atomic_store(&used, false);
    exiting_here = false;
}

FORK_PART(.renew = renew_gate);

static void begin_use(void)
{
    depth = 1;
    fork_enter_call();
}

bool exit_gate_enter(void)
{
    if (fork_is_foreign()) {
        return false;
    }
    if (depth > 0) {
        depth++;
        return true;
    }
    if (!atomic_load_explicit(&used, memory_order_relaxed)) {
        atomic_store(&used, true);
    }
    atomic_fetch_add(&inside, 1);
    if (!atomic_load(&closing)) {
        begin_use();
        return true;
    }
    atomic_fetch_sub(&inside, 1);
    if (exiting_here) {
        return false;
    }
    atomic_fetch_add(&parked, 1);
    clock_sleep_ms(PARK_MS);
    return false;
}

void exit_gate_leave(void)
{
    if (--depth == 0) {
        fork_leave_call();
        atomic_fetch_sub(&inside, 1);
    }
}

void exit_gate_lend(void)
{
    atomic_fetch_add(&inside, 1);
}

void exit_gate_take_over(void)
{
    begin_use();
}

void exit_gate_take_back(void)
{
    atomic_fetch_sub(&inside, 1);
}
