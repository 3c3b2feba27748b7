/* SPDX-License-Identifier: Apache-2.0
 * Signatures without a judgement, counted: never too many, never back, told once a minute. */
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "fixtures/check.h"
#include "judge/unfinished_handshakes.h"

static struct {
    unsigned lines;
    char last[512];
} told;

static void keep(void *host_data, int32_t level, const char *line)
{
    (void)host_data;
    assert_int_equal(level, NK_LOG_WARNING);
    told.lines++;
    snprintf(told.last, sizeof(told.last), "%s", line);
}

static const nk_host host = { .struct_size = sizeof(host), .log = keep };
static struct unfinished_handshakes strangers;
static long long now_ms;

static int start(void **state)
{
    (void)state;
    memset(&strangers, 0, sizeof(strangers));
    memset(&told, 0, sizeof(told));
    now_ms = 1000000;
    return 0;
}

static void judge(unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        unfinished_handshakes_judged(&strangers);
    }
}

static void look(unsigned long long signatures, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        unfinished_handshakes_look(&strangers, signatures, now_ms, &host);
        now_ms += 1000;
    }
}

static void members_are_not_counted(void **state)
{
    (void)state;
    judge(100);
    look(100, 2 * UNFINISHED_LOOKS);
    assert_int_equal(unfinished_handshakes_count(&strangers), 0);
    assert_int_equal(told.lines, 0);
}

static void who_is_under_way_is_not_counted_yet(void **state)
{
    (void)state;
    look(5, UNFINISHED_LOOKS - 1);
    assert_int_equal(unfinished_handshakes_count(&strangers), 0);
    judge(5);
    look(5, UNFINISHED_LOOKS);
    assert_int_equal(unfinished_handshakes_count(&strangers), 0);
}

static void who_never_finishes_is(void **state)
{
    (void)state;
    judge(3);
    look(10, UNFINISHED_LOOKS);
    assert_int_equal(unfinished_handshakes_count(&strangers), 7);
    assert_int_equal(told.lines, 1);
    assert_non_null(strstr(told.last, "7 signatures (7 since open) went to peers that never "));
}

static void members_of_the_moment_do_not_hide_them(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 3 * UNFINISHED_LOOKS; i++) { /* 2 members and 1 stranger a second */
        judge(2);
        look(3ULL * i, 1);
    }
    assert_in_range(unfinished_handshakes_count(&strangers), 2 * UNFINISHED_LOOKS,
                    3 * UNFINISHED_LOOKS);
}

/* A resumed connection is judged without a signature: the count stays a lower bound. */
static void it_never_goes_back(void **state)
{
    (void)state;
    look(7, UNFINISHED_LOOKS);
    judge(4);
    look(7, UNFINISHED_LOOKS);
    assert_int_equal(unfinished_handshakes_count(&strangers), 7);
    judge(100);
    look(7, UNFINISHED_LOOKS);
    assert_int_equal(unfinished_handshakes_count(&strangers), 7);
}

static void it_is_told_once_a_minute_and_only_if_it_grew(void **state)
{
    (void)state;
    look(7, UNFINISHED_LOOKS);
    assert_int_equal(told.lines, 1);
    look(9, 59); /* ten seconds until it counts, and not yet a minute since the last line */
    assert_int_equal(told.lines, 1);
    look(9, 2);
    assert_int_equal(told.lines, 2);
    assert_non_null(strstr(told.last, "2 signatures (9 since open) went"));
    look(9, 200);
    assert_int_equal(told.lines, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(members_are_not_counted, start),
        cmocka_unit_test_setup(who_is_under_way_is_not_counted_yet, start),
        cmocka_unit_test_setup(who_never_finishes_is, start),
        cmocka_unit_test_setup(members_of_the_moment_do_not_hide_them, start),
        cmocka_unit_test_setup(it_never_goes_back, start),
        cmocka_unit_test_setup(it_is_told_once_a_minute_and_only_if_it_grew, start),
    };
    return cmocka_run_group_tests_name("strangers_count", tests, NULL, NULL);
}
