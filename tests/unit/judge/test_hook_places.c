/* SPDX-License-Identifier: Apache-2.0
 * Places for verify_peer, without a hook: who runs, who waits, who is sent away. */
#include <stdatomic.h>

#include "base/clock.h"
#include "fixtures/check.h"
#include "judge/hook_places.h"

#define LONG_MS 20000
#define WAITERS 5

#define PATIENCE_MS 10000

static struct hook_places places;
static struct hook_place taken[HOOK_LEFT_MAX];
static int taken_len;

static int set_up(void **state)
{
    (void)state;
    hook_places_init(&places);
    taken_len = 0;
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
        struct hook_place *place = &taken[taken_len];
        assert_int_equal(hook_places_take(&places, place, clock_now_ms(), PATIENCE_MS), expected);
        taken_len += expected == HOOK_TURN ? 1 : 0;
    }
}

static void end_last(void)
{
    hook_places_end(&places, &taken[--taken_len]);
}

static void leave_last(void)
{
    hook_places_leave(&places, &taken[--taken_len]);
}

static void eight_run_and_a_ninth_is_late(void **state)
{
    (void)state;
    take_now(HOOK_PLACES, HOOK_TURN);
    take_now(2, HOOK_TURN_LATE);
    end_last();
    take_now(1, HOOK_TURN);
    take_now(1, HOOK_TURN_LATE);
}

static void one_that_was_given_up_gives_its_place_back(void **state)
{
    (void)state;
    take_now(HOOK_PLACES, HOOK_TURN);
    leave_last();
    take_now(1, HOOK_TURN);
    take_now(1, HOOK_TURN_LATE);
}

static void leave_behind(int count)
{
    for (int i = 0; i < count; i++) {
        take_now(1, HOOK_TURN);
        leave_last();
    }
}

static void no_more_are_left_behind_than_that(void **state)
{
    (void)state;
    leave_behind(HOOK_LEFT_MAX - 2);
    take_now(2, HOOK_TURN);
    take_now(1, HOOK_TURN_LATE); /* two run, and might be left behind, too */
    leave_last();
    leave_last();
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
    leave_last();
    take_now(HOOK_PLACES - 1, HOOK_TURN);
    take_now(1, HOOK_TURN_LATE);
}

static struct waiter {
    pthread_t thread;
    struct hook_place place;
    atomic_int turn;
} waiters[WAITERS];

#define NO_TURN_YET (-1)

static void *wait_for_turn(void *arg)
{
    struct waiter *it = arg;
    it->turn = (int)hook_places_take(&places, &it->place, clock_now_ms() + LONG_MS, PATIENCE_MS);
    return NULL;
}

static struct hook_place **end_of_waiters(void)
{
    pthread_mutex_lock(&places.lock);
    struct hook_place **end = places.end;
    pthread_mutex_unlock(&places.lock);
    return end;
}

static void start_waiters(void)
{
    for (int i = 0; i < WAITERS; i++) {
        struct hook_place **end = end_of_waiters();
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
        end_last();
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
        leave_last();
    }
    for (int i = 0; i < WAITERS; i++) {
        pthread_join(waiters[i].thread, NULL);
        assert_int_equal(waiters[i].turn, HOOK_TURN_BUSY);
    }
}

/* Who waits takes over what is slow, and what is slow may end in time or late. */
static void a_slow_call_gives_way_to_those_that_wait(void **state)
{
    (void)state;
    struct hook_place next;
    take_now(HOOK_PLACES, HOOK_TURN);
    for (int i = 0; i < HOOK_PLACES; i++) {
        taken[i].slow_ms = clock_now_ms();
    }
    assert_int_equal(hook_places_take(&places, &next, clock_now_ms() + LONG_MS, PATIENCE_MS),
                     HOOK_TURN);
    take_now(HOOK_PLACES - 1, HOOK_TURN);
    take_now(1, HOOK_TURN_LATE);
    hook_places_end(&places, &taken[0]);
    hook_places_leave(&places, &taken[1]);
    take_now(1, HOOK_TURN_LATE); /* neither had a place */
    hook_places_end(&places, &next);
    take_now(1, HOOK_TURN);
    take_now(1, HOOK_TURN_LATE);
}

static void slow_calls_are_bounded_too(void **state)
{
    (void)state;
    for (int i = 0; i < HOOK_LEFT_MAX; i++) {
        assert_int_equal(
            hook_places_take(&places, &taken[i], clock_now_ms() + LONG_MS, PATIENCE_MS), HOOK_TURN);
        taken[i].slow_ms = clock_now_ms();
    }
    taken_len = HOOK_LEFT_MAX - 1;
    struct hook_place more;
    assert_int_equal(hook_places_take(&places, &more, clock_now_ms() + 5, PATIENCE_MS),
                     HOOK_TURN_LATE);
    hook_places_end(&places, &taken[0]);
    assert_int_equal(hook_places_take(&places, &more, clock_now_ms() + LONG_MS, PATIENCE_MS),
                     HOOK_TURN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(eight_run_and_a_ninth_is_late, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_was_given_up_gives_its_place_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(no_more_are_left_behind_than_that, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_may_return_as_it_is_given_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slow_call_gives_way_to_those_that_wait, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(slow_calls_are_bounded_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(turns_come_in_the_order_of_arrival, set_up, tear_down),
        cmocka_unit_test_setup_teardown(those_that_wait_are_sent_away_when_too_many_are_left_behind,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests_name("hook_places", tests, NULL, NULL);
}
