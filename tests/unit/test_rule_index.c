/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "fixtures/rows.h"
#include "unit/rule_peer.h"

#define MANY 10000

static void add_pin_rule(struct rule_list *list, const char *name, unsigned number)
{
    char pin[2 * NK_SHA256_BYTES + 1];
    snprintf(pin, sizeof(pin), "%08x%056x", number * 2654435761u, number);
    assert_int_equal(rule_list_append(list, name, BOTH, NULL), NK_OK);
    assert_int_equal(rule_list_add(list, RULE_SPKI_SHA256, pin, NULL), NK_OK);
}

static void set_pin(nk_peer *peer, unsigned number)
{
    uint32_t hash = number * 2654435761u;
    memset(peer->spki_sha256, 0, sizeof(peer->spki_sha256));
    for (int i = 0; i < 4; i++) {
        peer->spki_sha256[i] = (uint8_t)(hash >> (24 - 8 * i));
        peer->spki_sha256[28 + i] = (uint8_t)(number >> (24 - 8 * i));
    }
}

static void thousands_of_pins_are_all_found(void **state)
{
    (void)state;
    struct rule_list list = { 0 };
    for (unsigned i = 0; i < MANY; i++) {
        char name[16];
        snprintf(name, sizeof(name), "r%05u", i);
        add_pin_rule(&list, name, i);
    }
    sort_rules(&list);
    assert_int_equal(list.len, MANY);
    nk_peer peer = a_peer();
    const struct traits traits = traits_of(&peer);
    for (unsigned i = 0; i < MANY; i++) {
        set_pin(&peer, i);
        assert_ptr_equal(rule_list_find(&list, &traits), rule_list_at(&list, i));
    }
    for (unsigned i = MANY; i < 2 * MANY; i++) {
        set_pin(&peer, i);
        assert_null(rule_list_find(&list, &traits));
    }
    rule_list_clear(&list);
    assert_int_equal(list.len, 0);
}

/* Whether sorted or not, and in whatever order they were added. */
static void the_smallest_name_is_found(void **state)
{
    (void)state;
    static const char *const orders[][3] = { { "a", "b", "c" },
                                             { "c", "b", "a" },
                                             { "b", "c", "a" } };
    nk_peer peer = a_peer();
    const struct traits traits = traits_of(&peer);
    set_pin(&peer, 7);

    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        struct rule_list list = { 0 };
        add_pin_rule(&list, "0 another pin", 8);
        for (size_t j = 0; j < 3; j++) {
            const char *name = orders[i][j];
            if (name[0] == 'b') { /* found by walking, the others by the index */
                assert_int_equal(rule_list_append(&list, name, BOTH, NULL), NK_OK);
                assert_int_equal(rule_list_add(&list, RULE_KEY_TYPES, "RSA", NULL), NK_OK);
            } else {
                add_pin_rule(&list, name, 7);
            }
        }
        assert_string_equal(rule_name(rule_list_find(&list, &traits)), "a");
        sort_rules(&list);
        assert_string_equal(rule_name(rule_list_find(&list, &traits)), "a");
        assert_string_equal(rule_name(rule_list_at(&list, 0)), "0 another pin");
        rule_list_clear(&list);
    }
}

static void a_rule_found_by_walking_may_be_the_first(void **state)
{
    (void)state;
    struct rule_list list = { 0 };
    nk_peer peer = a_peer();
    const struct traits traits = traits_of(&peer);
    set_pin(&peer, 7);
    add_pin_rule(&list, "pin", 7);
    assert_int_equal(rule_list_append(&list, "days", BOTH, NULL), NK_OK);
    assert_int_equal(rule_list_add(&list, RULE_MAX_LIFETIME_DAYS, "398", NULL), NK_OK);
    sort_rules(&list);
    assert_string_equal(rule_name(rule_list_find(&list, &traits)), "days");
    rule_list_clear(&list);
}

static void many_rules_with_one_pin(void **state)
{
    (void)state;
    static const char pin[] = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
    struct rule_list list = { 0 };
    nk_peer peer = a_peer();
    const struct traits traits = traits_of(&peer);
    memset(peer.spki_sha256, 0xff, sizeof(peer.spki_sha256));
    for (int i = 99; i >= 0; i--) {
        char name[16];
        snprintf(name, sizeof(name), "r%02d", i);
        assert_int_equal(rule_list_append(&list, name, BOTH, NULL), NK_OK);
        assert_int_equal(rule_list_add(&list, RULE_SPKI_SHA256, pin, NULL), NK_OK);
    }
    sort_rules(&list);
    assert_string_equal(rule_name(rule_list_find(&list, &traits)), "r00");
    rule_list_clear(&list);
}

static void a_pin_beside_other_members_still_ands(void **state)
{
    (void)state;
    struct rule_list list = { 0 };
    nk_peer peer = a_peer();
    const struct traits traits = traits_of(&peer);
    set_pin(&peer, 7);
    add_pin_rule(&list, "pin and cn", 7);
    assert_int_equal(rule_list_add(&list, RULE_CN, "somebody else", NULL), NK_OK);
    sort_rules(&list);
    assert_null(rule_list_find(&list, &traits));
    add_pin_rule(&list, "same pin", 7); /* after sorting: unsorted again */
    assert_string_equal(rule_name(rule_list_find(&list, &traits)), "same pin");
    sort_rules(&list);
    assert_string_equal(rule_name(rule_list_find(&list, &traits)), "same pin");
    rule_list_clear(&list);
}

static void a_rule_of_many_pins_and_a_member_before_them(void **state)
{
    (void)state;
    struct rule_list list = { 0 };
    nk_peer peer = a_peer();
    const struct traits traits = traits_of(&peer);
    assert_int_equal(rule_list_append(&list, "many", BOTH, NULL), NK_OK);
    assert_int_equal(rule_list_add(&list, RULE_CN, "node a", NULL), NK_OK);
    for (unsigned i = 0; i < 100; i++) {
        char pin[2 * NK_SHA256_BYTES + 1];
        snprintf(pin, sizeof(pin), "%08x%056x", i * 2654435761u, i);
        assert_int_equal(rule_list_add(&list, RULE_SPKI_SHA256, pin, NULL), NK_OK);
    }
    for (int sorted = 0; sorted <= 1; sorted++) {
        for (unsigned i = 0; i < 100; i++) {
            set_pin(&peer, i);
            assert_non_null(rule_list_find(&list, &traits));
        }
        set_pin(&peer, 100);
        assert_null(rule_list_find(&list, &traits));
        sort_rules(&list);
    }
    rule_list_clear(&list);
}

/* Every member by which a rule can be found, among others that hang in the same place. */
static void every_member_leads_to_its_rule(void **state)
{
    (void)state;
    static const struct {
        enum rule_member member;
        const char *near; /* does not match */
        const char *value;
    } hooks[] = {
        { RULE_URI, F "/node/b", F "/node/a" },
        { RULE_URI, F "/*/b", F "/*/a" },
        { RULE_URI, F "/node/*/x", F "/node/*" },
        { RULE_URI, F "/*/*/*", F "/*/*" },
        { RULE_DNS, "c.fed.example", "A.Fed.example" },
        { RULE_DNS, "*.a.fed.example", "*.FED.example" },
        { RULE_IP, "10.1.2.4", "10.1.2.3" },
        { RULE_IP, "10.2.0.0/16", "10.1.0.0/16" },
        { RULE_IP, "2001:db9::/32", "2001:db8::/31" },
        { RULE_IP, "::/128", "0.0.0.0/0" },
        { RULE_EMAIL, "y@fed.example", "x@FED.example" },
        { RULE_CN, "node b", "node a" },
        { RULE_SPKI_SHA256, CA_PIN, AA32 },
        { RULE_ISSUER_SPKI_SHA256, AA32, CA_PIN },
        { RULE_SERIAL, "1f0b", "1F:0A" },
        { RULE_POLICY_OID, "2.999.2", "2.999.1" },
        { RULE_EXTENDED_KEY_USAGE, "serverAuth", "clientAuth" },
        { RULE_KEY_TYPES, "P-256", "RSA" },
        { RULE_MAX_LIFETIME_DAYS, "1", "400" },
    };
    nk_peer peer = a_peer();
    const struct traits traits = traits_of(&peer);

    for (size_t i = 0; i < ARRAY_LEN(hooks); i++) {
        struct rule_list list = { 0 };
        assert_int_equal(rule_list_append(&list, "a near", BOTH, NULL), NK_OK);
        assert_int_equal(rule_list_add(&list, hooks[i].member, hooks[i].near, NULL), NK_OK);
        sort_rules(&list);
        assert_null(rule_list_find(&list, &traits));
        assert_int_equal(rule_list_append(&list, "hit", BOTH, NULL), NK_OK);
        assert_int_equal(rule_list_add(&list, hooks[i].member, hooks[i].near, NULL), NK_OK);
        assert_int_equal(rule_list_add(&list, hooks[i].member, hooks[i].value, NULL), NK_OK);
        sort_rules(&list);
        const struct rule *found = rule_list_find(&list, &traits);
        if (found == NULL || strcmp(rule_name(found), "hit") != 0) {
            fail_msg("%s \"%s\"", rule_member_name(hooks[i].member), hooks[i].value);
        }
        rule_list_clear(&list);
    }
}

/* More sets of starred segments than the index tells apart, and a star beyond those it counts. */
static void patterns_of_any_shape_are_found(void **state)
{
    (void)state;
    enum { DEEP = 70, SHAPES = 40 };
    struct rule_list list = { 0 };
    char name[32];
    char uri[1024] = F;
    char patterns[SHAPES][1024];
    for (int i = 0; i < DEEP; i++) {
        snprintf(uri + strlen(uri), sizeof(uri) - strlen(uri), "/s%d", i);
    }
    for (int i = 0; i < SHAPES; i++) { /* each has its one star elsewhere, the last ones deep */
        char segment[16];
        int star = i < SHAPES / 2 ? i : DEEP - SHAPES + i;
        snprintf(segment, sizeof(segment), star == DEEP - 1 ? "/s%d" : "/s%d/", star);
        const char *at = strstr(uri, segment);
        snprintf(patterns[i], sizeof(patterns[i]), "%.*s/*%s", (int)(at - uri), uri,
                 at + 1 + strcspn(at + 1, "/"));
        snprintf(name, sizeof(name), "r%02d", i);
        assert_int_equal(rule_list_append(&list, name, BOTH, NULL), NK_OK);
        assert_int_equal(rule_list_add(&list, RULE_URI, patterns[i], NULL), NK_OK);
    }
    sort_rules(&list);
    for (int i = 0; i < SHAPES; i++) {
        nk_peer peer = a_peer();
        const struct traits traits = traits_of(&peer);
        char own[1024];
        const char *star = strchr(patterns[i], '*');
        snprintf(own, sizeof(own), "%.*sx%s", (int)(star - patterns[i]), patterns[i], star + 1);
        const nk_name one = { .kind = NK_NAME_URI, .text = own };
        peer.names = &one;
        peer.names_len = 1;
        const struct rule *found = rule_list_find(&list, &traits);
        snprintf(name, sizeof(name), "r%02d", i);
        if (found == NULL || strcmp(rule_name(found), name) != 0) {
            fail_msg("%s", patterns[i]);
        }
        strcat(own, "/y");
        assert_null(rule_list_find(&list, &traits));
    }
    rule_list_clear(&list);
}

static void an_empty_list_finds_nothing(void **state)
{
    (void)state;
    struct rule_list list = { 0 };
    nk_peer peer = a_peer();
    const struct traits traits = traits_of(&peer);
    assert_null(rule_list_find(&list, &traits));
    sort_rules(&list);
    assert_null(rule_list_find(&list, &traits));
    assert_null(rule_list_odd_name(&list, &traits));
    rule_list_clear(&list);
}

int main(void)
{
    ROWS_TEST(thousands_of_pins_are_all_found);
    ROWS_TEST(the_smallest_name_is_found);
    ROWS_TEST(a_rule_found_by_walking_may_be_the_first);
    ROWS_TEST(many_rules_with_one_pin);
    ROWS_TEST(a_pin_beside_other_members_still_ands);
    ROWS_TEST(a_rule_of_many_pins_and_a_member_before_them);
    ROWS_TEST(every_member_leads_to_its_rule);
    ROWS_TEST(patterns_of_any_shape_are_found);
    ROWS_TEST(an_empty_list_finds_nothing);
    return ROWS_RUN("rule index", NULL, NULL);
}
