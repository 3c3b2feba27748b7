/* SPDX-License-Identifier: Apache-2.0
 * Places for verify_peer, without a hook: who runs, who waits, who is sent away. */
#include <stdatomic.h>

#include "base/clock.h"
#include "fixtures/check.h"
#include "judge/hook_places.h"

#define LONG_MS 20000
#define WAITERS 5

static struct hook_places places;

static int set_up(void **state)
{
    (void)state;
    hook_places_init(&places);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hook_places_destroy(&places);
    return 0;
}

static void take_now(int count, enum hook_turn expected)
{
    for (int i = 0; i < count; i++) {
        assert_int_equal(hook_places_take(&places, clock_now_ms()), expected);
    }
}

static void eight_run_and_a_ninth_is_late(void **state)
{
    (void)state;
    take_now(HOOK_PLACES, HOOK_TURN);
    take_now(2, HOOK_TURN_LATE);
    hook_places_end(&places);
    take_now(1, HOOK_TURN);
    take_now(1, HOOK_TURN_LATE);
}

static void one_that_was_given_up_gives_its_place_back(void **state)
{
    (void)state;
    take_now(HOOK_PLACES, HOOK_TURN);
    hook_places_leave(&places);
    take_now(1, HOOK_TURN);
    take_now(1, HOOK_TURN_LATE);
}

static void leave_behind(int count)
{
    for (int i = 0; i < count; i++) {
        take_now(1, HOOK_TURN);
        hook_places_leave(&places);
    }
}

static void no_more_are_left_behind_than_that(void **state)
{
    (void)state;
    leave_behind(HOOK_LEFT_MAX - 2);
    take_now(2, HOOK_TURN);
    take_now(1, HOOK_TURN_LATE); /* two run, and might be left behind, too */
    hook_places_leave(&places);
    hook_places_leave(&places);
    take_now(2, HOOK_TURN_BUSY);
    hook_places_returned(&places);
    take_now(1, HOOK_TURN);
    take_now(1, HOOK_TURN_LATE);
}

static void one_may_return_as_it_is_given_up(void **state)
{
    (void)state;
    take_now(1, HOOK_TURN);
    hook_places_returned(&places);
    take_now(1, HOOK_TURN);
    hook_places_leave(&places);
    take_now(HOOK_PLACES - 1, HOOK_TURN);
    take_now(1, HOOK_TURN_LATE);
}

static struct waiter {
    pthread_t thread;
    atomic_int turn;
} waiters[WAITERS];

#define NO_TURN_YET (-1)

static void *wait_for_turn(void *arg)
{
    struct waiter *it = arg;
    it->turn = (int)hook_places_take(&places, clock_now_ms() + LONG_MS);
    return NULL;
}

static struct hook_waiter **end_of_waiters(void)
{
    pthread_mutex_lock(&places.lock);
    struct hook_waiter **end = places.end;
    pthread_mutex_unlock(&places.lock);
    return end;
}

static void start_waiters(void)
{
    for (int i = 0; i < WAITERS; i++) {
        struct hook_waiter **end = end_of_waiters();
        waiters[i].turn = NO_TURN_YET;
        assert_int_equal(pthread_create(&waiters[i].thread, NULL, wait_for_turn, &waiters[i]), 0);
        while (end_of_waiters() == end) {
            clock_sleep_ms(1);
        }
    }
}

static void turns_come_in_the_order_of_arrival(void **state)
{
    (void)state;
    take_now(HOOK_PLACES, HOOK_TURN);
    start_waiters();
    take_now(1, HOOK_TURN_LATE); /* the last in the row goes, and the others stay */
    for (int i = 0; i < WAITERS; i++) {
        hook_places_end(&places);
        pthread_join(waiters[i].thread, NULL);
        assert_int_equal(waiters[i].turn, HOOK_TURN);
        if (i + 1 < WAITERS) {
            assert_int_equal(waiters[i + 1].turn, NO_TURN_YET);
        }
    }
    take_now(1, HOOK_TURN_LATE);
}

static void those_that_wait_are_sent_away_when_too_many_are_left_behind(void **state)
{
    (void)state;
    leave_behind(HOOK_LEFT_MAX - HOOK_PLACES);
    take_now(HOOK_PLACES, HOOK_TURN);
    start_waiters();
    for (int i = 0; i < HOOK_PLACES; i++) {
        hook_places_leave(&places);
    }
    for (int i = 0; i < WAITERS; i++) {
        pthread_join(waiters[i].thread, NULL);
        assert_int_equal(waiters[i].turn, HOOK_TURN_BUSY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(eight_run_and_a_ninth_is_late, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_was_given_up_gives_its_place_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(no_more_are_left_behind_than_that, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_may_return_as_it_is_given_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(turns_come_in_the_order_of_arrival, set_up, tear_down),
        cmocka_unit_test_setup_teardown(those_that_wait_are_sent_away_when_too_many_are_left_behind,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests_name("hook_places", tests, NULL, NULL);
}
