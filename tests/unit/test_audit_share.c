/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/audit_share.h"

#include <stdlib.h>
#include <string.h>

#include "fixtures/check.h"
#include "nodekey/plugin.h"

#define PER_PEER 3u
#define IN NK_PEER_IS_CLIENT
#define OUT NK_PEER_IS_SERVER
#define MINUTE 60

struct world { /* one share, and what became of the lines */
    struct audit_share *share;
    int64_t now;
    uint64_t written;
    uint64_t held_back;
    uint64_t told;
    struct audit_turn turn;
};

static bool take_as(struct world *world, uint32_t peer, uint32_t role, uint32_t decision)
{
    uint8_t fingerprint[NK_SHA256_BYTES] = { 1 };
    memcpy(fingerprint + 1, &peer, sizeof(peer));
    const struct audit_seen seen = { fingerprint, role, decision };
    bool taken = audit_share_take(world->share, &seen, world->now, &world->turn);

    world->written += taken ? 1 : 0;
    world->held_back += taken ? 0 : 1;
    world->told += taken ? world->turn.held_back + world->turn.held_back_others : 0;
    return taken;
}

static bool take(struct world *world, uint32_t peer, uint32_t decision)
{
    return take_as(world, peer, IN, decision);
}

static unsigned take_many(struct world *world, uint32_t peer, uint32_t decision, unsigned times)
{
    unsigned taken = 0;
    for (unsigned i = 0; i < times; i++) {
        taken += take(world, peer, decision) ? 1 : 0;
    }
    return taken;
}

/* Peers from, from + 1, ...; one line each. */
static unsigned take_each(struct world *world, uint32_t from, uint32_t decision, unsigned peers)
{
    unsigned taken = 0;
    for (uint32_t i = 0; i < peers; i++) {
        taken += take(world, from + i, decision) ? 1 : 0;
    }
    return taken;
}

static void a_peer_has_its_share_in_each_minute(void **state)
{
    struct world *world = *state;
    assert_int_equal(take_many(world, 1, NK_ALLOW, 10), PER_PEER);
    world->now += MINUTE - 1;
    assert_false(take(world, 1, NK_ALLOW));
    assert_true(take(world, 2, NK_ALLOW));
    assert_int_equal(world->turn.held_back, 0);
    world->now += 1;
    assert_true(take(world, 1, NK_ALLOW));
    assert_int_equal(world->turn.held_back, 8);
    assert_true(take(world, 1, NK_ALLOW));
    assert_int_equal(world->turn.held_back, 0);
}

static void a_refused_peer_has_the_same_share(void **state)
{
    struct world *world = *state;
    assert_int_equal(take_many(world, 1, NK_DENY, 10), PER_PEER);
    world->now += MINUTE;
    assert_int_equal(take_many(world, 1, NK_DENY, 10), PER_PEER);
}

static void each_role_has_a_share(void **state)
{
    struct world *world = *state;
    assert_int_equal(take_many(world, 1, NK_ALLOW, 10), PER_PEER);
    assert_true(take_as(world, 1, OUT, NK_DENY));
    assert_false(take_as(world, 1, IN, NK_ALLOW)); /* so the other role changed nothing for it */
}

static void unreadable_peers_are_one(void **state)
{
    struct world *world = *state;
    const struct audit_seen unreadable = { NULL, IN, NK_DENY };
    for (unsigned i = 0; i < PER_PEER; i++) {
        assert_true(audit_share_take(world->share, &unreadable, world->now, &world->turn));
    }
    assert_false(audit_share_take(world->share, &unreadable, world->now, &world->turn));
}

static void a_change_of_verdict_is_written_past_the_share(void **state)
{
    struct world *world = *state;
    take_many(world, 1, NK_ALLOW, 10);
    assert_true(take(world, 1, NK_DENY));
    assert_int_equal(world->turn.held_back, 10 - PER_PEER);
    assert_false(take(world, 1, NK_DENY)); /* the same again is no change */
    assert_true(take(world, 1, NK_ALLOW));
}

static void flapping_is_bounded_and_its_end_is_written(void **state)
{
    struct world *world = *state;
    for (unsigned i = 0; i < 100; i++) {
        take(world, 1, i % 2 == 0 ? NK_ALLOW : NK_DENY);
    }
    assert_int_equal(world->written, 2 * PER_PEER);
    world->now += MINUTE;
    assert_true(take(world, 1, NK_DENY));
}

static void strangers_have_an_overall_limit(void **state)
{
    struct world *world = *state;
    unsigned limit = AUDIT_SHARE_FIRST_REFUSED * PER_PEER;
    assert_int_equal(take_each(world, 1, NK_DENY, 5000), limit);
    assert_false(take(world, 9000, NK_DENY));
    world->now += MINUTE;
    assert_true(take(world, 9001, NK_DENY));
    assert_int_equal(world->turn.held_back, 0);
    assert_int_equal(world->turn.held_back_others, 5001 - limit);
    assert_int_equal(take_each(world, 10000, NK_DENY, 5000), limit - 1);
}

static void first_members_have_a_limit_of_their_own(void **state)
{
    struct world *world = *state;
    assert_int_equal(take_each(world, 1, NK_DENY, 5000), AUDIT_SHARE_FIRST_REFUSED * PER_PEER);
    assert_int_equal(take_each(world, 10000, NK_ALLOW, 5000), AUDIT_SHARE_FIRST_ALLOWED * PER_PEER);
}

static void refusals_have_an_overall_limit(void **state)
{
    struct world *world = *state;
    unsigned known = AUDIT_SHARE_FIRST_REFUSED * PER_PEER;
    for (unsigned i = 0; i < 10; i++) {
        take_each(world, 1, NK_DENY, known);
    }
    assert_int_equal(world->written, AUDIT_SHARE_REFUSED * PER_PEER);
    assert_true(take(world, 5000, NK_ALLOW));
    world->now += MINUTE;
    assert_true(take(world, 1, NK_DENY));
    assert_true(world->turn.held_back > 0); /* told by the peer itself: it has a counter */
}

static void strangers_forget_no_member(void **state)
{
    struct world *world = *state;
    assert_true(take(world, 1, NK_ALLOW));
    for (uint32_t minute = 1; minute < 2 * AUDIT_SHARE_PEERS / PER_PEER; minute++) {
        world->now += MINUTE;
        take_each(world, minute * 1000, NK_DENY, 100);
    }
    assert_int_equal(take_many(world, 1, NK_ALLOW, 2 * PER_PEER), PER_PEER);
    assert_true(take(world, 1, NK_DENY)); /* also while no stranger would be written */
    assert_false(take(world, 2, NK_DENY));
}

static void the_last_used_are_remembered(void **state)
{
    struct world *world = *state;
    take_many(world, 1, NK_ALLOW, PER_PEER + 5);
    take_many(world, 2, NK_ALLOW, PER_PEER + 5);
    for (uint32_t i = 0; i < AUDIT_SHARE_PEERS - 2; i++) {
        world->now += i % 100 == 0 ? 1 : 0;
        if (!take(world, 100 + i, NK_ALLOW)) {
            world->now += MINUTE;
            assert_true(take(world, 100 + i, NK_ALLOW));
        }
    }
    take_many(world, 1, NK_ALLOW, 2 * PER_PEER); /* used: the second is the oldest now */
    assert_true(take(world, 9000, NK_ALLOW));
    assert_true(world->turn.held_back_others >= 5); /* the second's */
    assert_false(take(world, 1, NK_ALLOW));
    assert_true(take(world, 2, NK_ALLOW));
    assert_int_equal(world->turn.held_back, 0);
}

/* More changes of verdict than one half has room for: the first refused is forgotten. */
static void verdicts_of_all_may_change(void **state)
{
    struct world *world = *state;
    take_many(world, 0, NK_ALLOW, PER_PEER + 1);
    assert_true(take(world, 0, NK_DENY));
    take_many(world, 0, NK_DENY, 1);
    assert_int_equal(world->held_back - world->told, 1);
    for (uint32_t i = 1; i < 3 * AUDIT_SHARE_PEERS; i++) {
        world->now += i % PER_PEER == 0 ? MINUTE : 0;
        assert_true(take(world, i, NK_ALLOW));
        assert_true(take(world, i, NK_DENY));
    }
    assert_int_equal(world->told, world->held_back);
}

static void a_lost_line_is_told_and_changes_again(void **state)
{
    struct world *world = *state;
    take_many(world, 1, NK_ALLOW, 10);
    take_each(world, 100, NK_DENY, 5000);
    assert_true(take(world, 1, NK_DENY));
    struct audit_turn lost = world->turn;
    assert_int_equal(lost.held_back, 10 - PER_PEER);
    assert_true(lost.held_back_others > 0);
    audit_share_untake(world->share, &lost);
    assert_true(take(world, 1, NK_DENY));
    assert_memory_equal(&world->turn, &lost, sizeof(lost));
    assert_false(take(world, 1, NK_DENY));
}

/* Some thousands of peers, roles and verdicts without order; the same ones each time. */
static void every_line_held_back_is_told_once(void **state)
{
    struct world *world = *state;
    uint32_t random = 1;
    for (unsigned i = 0; i < 300000; i++) {
        random = random * 1664525u + 1013904223u;
        uint32_t peer = (random >> 8) % ((random >> 28) == 0 ? 1000000u : 1500u);
        take_as(world, peer, (random & 0x1000000u) != 0 ? IN : OUT,
                (random & 0x6000000u) != 0 ? NK_ALLOW : NK_DENY);
        world->now += i % 1000 == 0 ? 7 : 0;
    }
    assert_int_equal(world->written + world->held_back, 300000);
    assert_true(world->told > 0 && audit_share_untold(world->share) > 0);
    assert_int_equal(world->told + audit_share_untold(world->share), world->held_back);
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    world->share = audit_share_new(PER_PEER);
    world->now = 1000;
    *state = world;
    return world->share != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    audit_share_free(world->share);
    free(world);
    return 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(a_peer_has_its_share_in_each_minute),
        TEST(a_refused_peer_has_the_same_share),
        TEST(each_role_has_a_share),
        TEST(unreadable_peers_are_one),
        TEST(a_change_of_verdict_is_written_past_the_share),
        TEST(flapping_is_bounded_and_its_end_is_written),
        TEST(strangers_have_an_overall_limit),
        TEST(first_members_have_a_limit_of_their_own),
        TEST(refusals_have_an_overall_limit),
        TEST(strangers_forget_no_member),
        TEST(the_last_used_are_remembered),
        TEST(verdicts_of_all_may_change),
        TEST(a_lost_line_is_told_and_changes_again),
        TEST(every_line_held_back_is_told_once),
    };
    return cmocka_run_group_tests_name("audit_share", tests, NULL, NULL);
}
