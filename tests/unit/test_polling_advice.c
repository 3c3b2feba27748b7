/* SPDX-License-Identifier: Apache-2.0
 * What `open` says about lent threads: row by row. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "fixtures/check.h"
#include "node/polling_advice.h"

#define NOTHING NULL

static const struct row {
    const char *name;
    unsigned signature_us;
    unsigned lent;
    unsigned sessions;
    const char *strategy; /* GRPC_POLL_STRATEGY; NULL: not set */
    const char *says;     /* all of it */
} rows[] = {
    { "a fast token needs none", 5000, 0, 16, NULL, NOTHING },
    { "one that is a little slow", 5001, 0, 16, NULL,
      "a signature takes 5.0 ms, and gRPC makes it on a thread that polls, which answers no call "
      "meanwhile; set grpc.lent_threads to 8, and token.max_sessions to 16 so that they can sign "
      "at once, if the token can" },
    { "as many for 25 ms", 25000, 0, 16, NULL, "lent_threads to 8, and token.max_sessions to 16 " },
    { "one more beyond", 25001, 0, 16, NULL, "lent_threads to 9, and token.max_sessions to 16 " },
    { "32 for 100 ms, and sessions", 100000, 0, 16, NULL,
      "lent_threads to 32, and token.max_sessions to 33 " },
    { "sessions that are there stay", 100000, 0, 40, NULL,
      "lent_threads to 32, and token.max_sessions to 40 " },
    { "no more than 64", 200001, 0, 16, NULL, "lent_threads to 64, and token.max_sessions to 65 " },
    { "nor for ever so long", 4000000000, 0, 16, NULL,
      "lent_threads to 64, and token.max_sessions to 65 " },
    { "a slow token with some has its answer", 100000, 1, 16, NULL, NOTHING },
    { "a session for each and one for us", 100000, 15, 16, NULL, NOTHING },
    { "too few sessions", 100, 16, 16, NULL,
      "15 of 16 grpc.lent_threads can sign for peers at once, the others wait for a session; set "
      "token.max_sessions to 17 or more" },
    { "one session for all", 100, 2, 1, NULL, "1 of 2 grpc.lent_threads can sign " },
    { "gRPC polls with poll", 100, 7, 16, "poll",
      "GRPC_POLL_STRATEGY=poll: grpc.lent_threads help only with epoll1, gRPC's own choice; unset "
      "it, or poll with more threads of the program's own" },
    { "gRPC polls with nothing", 100, 7, 16, "none", "GRPC_POLL_STRATEGY=none: " },
    { "gRPC polls with the first it knows", 100, 7, 16, "epollex,poll,epoll1",
      "GRPC_POLL_STRATEGY=epollex,poll,epoll1: " },
    { "gRPC polls with epoll1", 100, 7, 16, "epoll1", NOTHING },
    { "gRPC polls with epoll1, which it knows", 100, 7, 16, "epollex,epoll1,poll", NOTHING },
    { "gRPC chooses", 100, 7, 16, "all", NOTHING },
    { "gRPC chooses when told nothing", 100, 7, 16, "", NOTHING },
    { "a name is a whole name", 100, 7, 16, "epoll,polling,epoll1", NOTHING },
    { "nobody cares for the poller without them", 100, 0, 16, "poll", NOTHING },
};

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

static void check_row(void **state)
{
    const struct row *row = *state;
    const nk_host host = { .struct_size = sizeof(host), .log = keep };
    const struct config config = { .lent_threads = row->lent, .token.max_sessions = row->sessions };
    memset(&told, 0, sizeof(told));
    unsetenv("GRPC_POLL_STRATEGY");
    if (row->strategy != NULL) {
        setenv("GRPC_POLL_STRATEGY", row->strategy, 1);
    }
    polling_advice_say(&config, row->signature_us, true, &host);
    assert_int_equal(told.lines, row->says != NOTHING ? 1 : 0);
    if (row->says != NOTHING && strstr(told.last, row->says) == NULL) {
        fail_msg("%s", told.last);
    }
}

static void both_at_once(void **state)
{
    (void)state;
    const nk_host host = { .struct_size = sizeof(host), .log = keep };
    const struct config config = { .lent_threads = 16, .token.max_sessions = 16 };
    memset(&told, 0, sizeof(told));
    setenv("GRPC_POLL_STRATEGY", "poll", 1);
    polling_advice_say(&config, 100, true, &host);
    assert_int_equal(told.lines, 2);
}

static void where_pollers_do_not_sign(void **state)
{
    (void)state;
    const nk_host host = { .struct_size = sizeof(host), .log = keep };
    const struct config slow = { .token.max_sessions = 16 };
    const struct config lent = { .lent_threads = 16, .token.max_sessions = 16 };
    memset(&told, 0, sizeof(told));
    setenv("GRPC_POLL_STRATEGY", "poll", 1);
    polling_advice_say(&slow, 100000, false, &host);
    assert_int_equal(told.lines, 0);
    polling_advice_say(&lent, 100000, false, &host);
    assert_int_equal(told.lines, 1);
    assert_string_equal(told.last, "grpc.lent_threads: gRPC signs on threads of its own here, so "
                                   "none are lent; leave it out");
}

int main(void)
{
    static struct CMUnitTest tests[ARRAY_LEN(rows) + 2] = {
        cmocka_unit_test(both_at_once),
        cmocka_unit_test(where_pollers_do_not_sign),
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        tests[i + 2].name = rows[i].name;
        tests[i + 2].test_func = check_row;
        tests[i + 2].initial_state = (void *)(uintptr_t)&rows[i];
    }
    return cmocka_run_group_tests_name("lent_advice", tests, NULL, NULL);
}
