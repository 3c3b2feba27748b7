/* SPDX-License-Identifier: Apache-2.0
 * Threads that answer calls, too, and wait for tokens: all may wait for one that answers, however
 * slowly; none more for one that does not. */
#include "base/auto.h"
#include "fixtures/check.h"
#include "wait/shared_threads.h"

#define SHARED 4
#define PATIENCE SHARED_THREADS_PATIENCE_MS

static long long now_ms;
static struct waits token, other;

static int start(void **state)
{
    (void)state;
    now_ms += 60 * PATIENCE;
    shared_threads_are(SHARED);
    return 0;
}

static bool comes(void)
{
    return shared_threads_enter(&token, true, now_ms);
}

static void come(unsigned peers)
{
    for (unsigned i = 0; i < peers; i++) {
        assert_true(comes());
    }
}

static void go(unsigned peers)
{
    for (unsigned i = 0; i < peers; i++) {
        shared_threads_leave(&token, now_ms);
    }
}

static void all_may_wait_for_a_while(void **state)
{
    (void)state;
    come(SHARED);
    now_ms += PATIENCE - 1;
    come(1); /* on a thread that the pool has made meanwhile */
    go(SHARED + 1);
}

static void no_more_then(void **state)
{
    (void)state;
    come(SHARED);
    now_ms += PATIENCE;
    assert_false(comes());
    now_ms += 60 * PATIENCE;
    assert_false(comes());
    go(SHARED);
}

static void until_it_answers(void **state)
{
    (void)state;
    come(SHARED + 1);
    now_ms += PATIENCE;
    assert_false(comes());
    go(1);
    come(1);
    now_ms += PATIENCE;
    assert_false(comes());
    go(SHARED + 1);
    come(SHARED);
    go(SHARED);
}

static void a_slow_token_refuses_nobody(void **state)
{
    (void)state;
    come(SHARED);
    for (int i = 0; i < 100; i++) {
        now_ms += PATIENCE - 1;
        come(2);
        go(2);
    }
    go(SHARED);
}

static void while_one_is_free_it_may_wait(void **state)
{
    (void)state;
    come(SHARED - 1);
    now_ms += 60 * PATIENCE;
    come(1);
    assert_false(comes());
    go(SHARED);
}

static void the_first_after_a_rest_waits(void **state)
{
    (void)state;
    come(SHARED);
    go(SHARED);
    now_ms += 60 * PATIENCE;
    come(SHARED);
    assert_true(comes());
    go(SHARED + 1);
}

static void another_token_is_asked(void **state)
{
    (void)state;
    come(SHARED);
    now_ms += PATIENCE;
    assert_false(comes());
    assert_true(shared_threads_enter(&other, true, now_ms));
    shared_threads_leave(&other, now_ms);
    assert_false(comes()); /* the answer was not its */
    go(SHARED);
}

static void our_own_dialling_counts_and_is_not_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SHARED; i++) {
        assert_true(shared_threads_enter(&token, false, now_ms));
    }
    now_ms += PATIENCE;
    assert_false(comes());
    assert_true(shared_threads_enter(&token, false, now_ms));
    go(SHARED + 1);
}

static void threads_that_may_wait_do(void **state)
{
    (void)state;
    shared_threads_are(0);
    come(SHARED);
    now_ms += 60 * PATIENCE;
    come(1);
    go(SHARED + 1);
}

#define SILENT 10

static bool is_to_spare(void)
{
    return shared_threads_spare_one(&token, now_ms, SILENT);
}

static void one_is_to_spare_while_the_token_answers(void **state)
{
    (void)state;
    assert_true(is_to_spare());
    come(1);
    now_ms += SILENT - 1;
    assert_true(is_to_spare());
    now_ms += 1;
    assert_false(is_to_spare());
    come(1); /* who waits all the same does not make it answer */
    assert_false(is_to_spare());
    go(1);
    assert_true(is_to_spare());
    go(1);
    now_ms += SILENT;
    assert_true(is_to_spare());
}

/* A token that stops answering has not been silent yet, and peers come all at once. */
static void the_last_one_is_not_to_spare(void **state)
{
    (void)state;
    come(SHARED - 2);
    assert_true(is_to_spare());
    come(1);
    assert_false(is_to_spare());
    assert_false(shared_threads_spare_one(&other, now_ms, SILENT));
    go(SHARED - 1);
}

static void another_token_that_is_silent_leaves_one(void **state)
{
    (void)state;
    come(1);
    now_ms += SILENT;
    assert_false(is_to_spare());
    assert_true(shared_threads_spare_one(&other, now_ms, SILENT));
    go(1);
}

static void of_threads_that_may_wait_one_is_to_spare(void **state)
{
    (void)state;
    shared_threads_are(0);
    come(SHARED);
    now_ms += SILENT;
    assert_true(is_to_spare());
    go(SHARED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(all_may_wait_for_a_while, start),
        cmocka_unit_test_setup(no_more_then, start),
        cmocka_unit_test_setup(until_it_answers, start),
        cmocka_unit_test_setup(a_slow_token_refuses_nobody, start),
        cmocka_unit_test_setup(while_one_is_free_it_may_wait, start),
        cmocka_unit_test_setup(the_first_after_a_rest_waits, start),
        cmocka_unit_test_setup(another_token_is_asked, start),
        cmocka_unit_test_setup(our_own_dialling_counts_and_is_not_refused, start),
        cmocka_unit_test_setup(threads_that_may_wait_do, start),
        cmocka_unit_test_setup(one_is_to_spare_while_the_token_answers, start),
        cmocka_unit_test_setup(the_last_one_is_not_to_spare, start),
        cmocka_unit_test_setup(another_token_that_is_silent_leaves_one, start),
        cmocka_unit_test_setup(of_threads_that_may_wait_one_is_to_spare, start),
    };
    return cmocka_run_group_tests_name("shared_threads", tests, NULL, NULL);
}
