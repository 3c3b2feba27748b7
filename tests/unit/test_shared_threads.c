/* SPDX-License-Identifier: Apache-2.0
 * Threads that answer calls, too, and wait for tokens: a burst may have all of them for a moment,
 * then one is kept free; what is short, and what is our own dialling, is never refused. */
#include "base/auto.h"
#include "fixtures/check.h"
#include "wait/shared_threads.h"

#define SHARED 4
#define STALL SHARED_THREADS_STALL_MS
#define RELIEF SHARED_THREADS_RELIEF_MS

static long long now_ms;

static int start(void **state)
{
    (void)state;
    now_ms += 1000000; /* what was before is forgotten */
    shared_threads_are(SHARED);
    return 0;
}

static bool comes(bool inbound)
{
    return shared_threads_enter(inbound, now_ms);
}

static void come(unsigned callers)
{
    for (unsigned i = 0; i < callers; i++) {
        assert_true(comes(true));
    }
}

static void go(unsigned callers)
{
    for (unsigned i = 0; i < callers; i++) {
        shared_threads_leave(now_ms);
    }
}

static void a_burst_may_have_them_all(void **state)
{
    (void)state;
    come(SHARED);
    now_ms += STALL - 1;
    come(1); /* on a thread that the pool has made meanwhile */
    go(SHARED + 1);
}

static void then_one_is_kept_free(void **state)
{
    (void)state;
    come(SHARED);
    now_ms += STALL;
    assert_false(comes(true));
    now_ms += 60 * STALL; /* they hang */
    assert_false(comes(true));
    go(1);
    assert_false(comes(true));
    go(1);
    come(1);
    assert_false(comes(true));
    go(SHARED - 1);
}

static void until_there_was_relief(void **state)
{
    (void)state;
    come(SHARED);
    now_ms += STALL;
    go(1);
    now_ms += RELIEF - 1;
    assert_false(comes(true));
    now_ms += 1;
    come(1);
    go(SHARED);
}

static void one_burst_after_the_other_is_a_stall(void **state)
{
    (void)state;
    come(SHARED);
    for (int i = 0; i < 10; i++) {
        now_ms += 90;
        go(2);
        now_ms += 10; /* the next peers' share of a handshake that needs no token */
        come(2);
    }
    now_ms += STALL / 4;
    assert_false(comes(true));
    go(SHARED);
}

static void short_waits_are_none(void **state)
{
    (void)state;
    come(SHARED - 1);
    for (int i = 0; i < 10 * STALL; i++) {
        come(1);
        now_ms += 1;
        go(1);
        now_ms += 1;
    }
    go(SHARED - 1);
}

static void who_waits_while_one_is_free_may_wait(void **state)
{
    (void)state;
    come(SHARED - 1);
    now_ms += 60 * STALL;
    come(1);
    go(SHARED);
}

static void our_own_dialling_counts_and_is_not_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SHARED; i++) {
        assert_true(comes(false));
    }
    now_ms += STALL;
    assert_false(comes(true));
    assert_true(comes(false));
    go(SHARED + 1);
}

static void threads_that_may_wait_are_not_kept(void **state)
{
    (void)state;
    shared_threads_are(0);
    come(SHARED);
    now_ms += 60 * STALL;
    come(1);
    go(SHARED + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_burst_may_have_them_all, start),
        cmocka_unit_test_setup(then_one_is_kept_free, start),
        cmocka_unit_test_setup(until_there_was_relief, start),
        cmocka_unit_test_setup(one_burst_after_the_other_is_a_stall, start),
        cmocka_unit_test_setup(short_waits_are_none, start),
        cmocka_unit_test_setup(who_waits_while_one_is_free_may_wait, start),
        cmocka_unit_test_setup(our_own_dialling_counts_and_is_not_refused, start),
        cmocka_unit_test_setup(threads_that_may_wait_are_not_kept, start),
    };
    return cmocka_run_group_tests_name("shared_threads", tests, NULL, NULL);
}
