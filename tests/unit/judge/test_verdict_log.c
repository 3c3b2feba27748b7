/* SPDX-License-Identifier: Apache-2.0
 * Host logs that strangers fill: how many lines they get, what stays readable beside them, and that
 * what is missing is counted. Time stands still but where the test moves it. */
#include <stdio.h>
#include <string.h>

#include "base/report.h"
#include "fixtures/check.h"
#include "judge/verdict_log.h"

#define FLOOD 5000
#define MINUTE 60
#define REFUSED_FIRST 600 /* strangers seen for the first time, in a minute */
#define REFUSED_ALL 1200
#define PER_PEER 60
#define MEMBER 1000000u

static int64_t now_seconds;
static unsigned lines;
static char last[4096];
static struct verdict_log *verdict_log;

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ret_now)
{
    (void)clock;
    *ret_now = (struct timespec){ .tv_sec = now_seconds };
    return 0;
}

static void take_line(void *unused, int32_t level, const char *line)
{
    (void)unused, (void)level;
    lines++;
    snprintf(last, sizeof(last), "%s", line);
}

static const nk_host host = { .struct_size = sizeof(host), .log = take_line };

static int set_up(void **state)
{
    (void)state;
    now_seconds = 1000;
    lines = 0;
    verdict_log = verdict_log_new(&host);
    return verdict_log != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    verdict_log_free(verdict_log);
    return 0;
}

static void write_verdict_on(uint32_t role, uint32_t number, uint32_t decision)
{
    struct peer peer = { .facts = { .common_name = "node" } };
    struct opinion opinion = { .verdict = { .decision = decision, .reason = "no-rule" } };
    const struct verdict_event event = {
        .role = role, .occasion = "handshake", .peer = &peer, .opinion = &opinion
    };

    memcpy(peer.facts.leaf_sha256, &number, sizeof(number));
    verdict_log_write(verdict_log, &event);
}

static void write_verdict(uint32_t number, uint32_t decision)
{
    write_verdict_on(NK_PEER_IS_CLIENT, number, decision);
}

static void write_many(uint32_t first, unsigned peers, unsigned times)
{
    for (unsigned i = 0; i < peers * times; i++) {
        write_verdict(first + i % peers, NK_DENY);
    }
}

static unsigned tell(bool is_last)
{
    unsigned before = lines;

    verdict_log_tell(verdict_log, now_seconds * 1000, is_last);
    return lines - before;
}

static void one_stranger_gets_its_share(void **state)
{
    (void)state;
    write_many(1, 1, FLOOD);
    assert_int_equal(lines, PER_PEER);
    assert_non_null(strstr(last, "refused inbound peer"));
    now_seconds += MINUTE;
    write_many(1, 1, FLOOD);
    assert_int_equal(lines, 2 * PER_PEER);
}

static void strangers_that_change_are_bounded(void **state)
{
    (void)state;
    write_many(1, FLOOD, 1);
    assert_int_equal(lines, REFUSED_FIRST);
}

static void strangers_together_are_bounded(void **state)
{
    (void)state;
    write_many(1, 100, FLOOD);
    assert_int_equal(lines, REFUSED_ALL);
}

static void a_member_is_seen_in_the_flood(void **state)
{
    (void)state;
    write_verdict(MEMBER, NK_ALLOW);
    write_many(1, FLOOD, 1);
    write_many(1, 100, FLOOD);
    unsigned before = lines;
    write_verdict(MEMBER, NK_DENY);
    assert_int_equal(lines, before + 1);
    assert_non_null(strstr(last, "no-rule"));
}

static void a_server_that_we_dialled_is_seen_in_the_flood(void **state)
{
    (void)state;
    write_many(1, FLOOD, 1);
    write_many(1, 100, FLOOD);
    unsigned before = lines;
    write_verdict_on(NK_PEER_IS_SERVER, MEMBER, NK_DENY);
    assert_int_equal(lines, before + 1);
    assert_non_null(strstr(last, "refused outbound peer"));
}

static void what_is_missing_is_told_once_a_minute(void **state)
{
    (void)state;
    assert_int_equal(tell(true), 0);
    write_many(1, 1, PER_PEER);
    assert_int_equal(tell(true), 0);
    write_many(1, 1, 7);
    assert_int_equal(tell(false), 1);
    assert_non_null(strstr(last, "7 refusals (7 since open) are not in this log"));
    write_many(1, 1, 2);
    assert_int_equal(tell(false), 0);
    now_seconds += MINUTE;
    assert_int_equal(tell(false), 1);
    assert_non_null(strstr(last, "2 refusals (9 since open)"));
    write_many(1, 1, PER_PEER + 1);
    assert_int_equal(tell(true), 1); /* the instance is closed */
    assert_non_null(strstr(last, "1 refusals (10 since open)"));
    assert_int_equal(tell(true), 0);
}

static void peers_that_are_let_in_are_not_counted(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FLOOD; i++) {
        write_verdict(MEMBER, NK_ALLOW);
    }
    assert_int_equal(lines, PER_PEER);
    assert_int_equal(tell(true), 0);
}

static void a_budget_says_what_it_held_back(void **state)
{
    (void)state;
    struct log_budget budget = { .lines = 0 };
    for (unsigned i = 0; i < FLOOD; i++) {
        log_line_within(&budget, &host, NK_LOG_ERROR, "no signature %u", i);
    }
    assert_int_equal(lines, LOG_BUDGET_LINES);
    assert_string_equal(last, "no signature 59");
    now_seconds += MINUTE;
    log_line_within(&budget, &host, NK_LOG_ERROR, "again");
    assert_string_equal(last, "again (4940 such lines before it were held back)");
    log_line_within(&budget, &host, NK_LOG_ERROR, "and again");
    assert_string_equal(last, "and again");
}

static void a_long_line_keeps_its_count(void **state)
{
    (void)state;
    static const char count[] = "0 (5 such lines before it were held back)";
    struct log_budget budget = { .held_back = 5 };
    log_line_within(&budget, &host, NK_LOG_ERROR, "%03000d", 0);
    assert_string_equal(last + strlen(last) - strlen(count), count);
}

static void without_a_log_nothing_is_written(void **state)
{
    (void)state;
    struct log_budget budget = { .lines = 0 };
    log_line_within(&budget, NULL, NK_LOG_ERROR, "nobody");
    log_line_within(&budget, &(const nk_host){ .struct_size = sizeof(nk_host) }, NK_LOG_ERROR,
                    "nobody");
    assert_int_equal(lines, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_stranger_gets_its_share),
        TEST(strangers_that_change_are_bounded),
        TEST(strangers_together_are_bounded),
        TEST(a_member_is_seen_in_the_flood),
        TEST(a_server_that_we_dialled_is_seen_in_the_flood),
        TEST(what_is_missing_is_told_once_a_minute),
        TEST(peers_that_are_let_in_are_not_counted),
        TEST(a_budget_says_what_it_held_back),
        TEST(a_long_line_keeps_its_count),
        TEST(without_a_log_nothing_is_written),
    };
    return cmocka_run_group_tests_name("verdict_log", tests, NULL, NULL);
}
