/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/auto.h"
#include "fixtures/rows.h"
#include "unit/rule_peer.h"

#define ORDER_RULES 12
#define ORDER_SHUFFLES 50
#define CANONICAL_BYTES 8192

struct text {
    size_t len;
    uint8_t bytes[CANONICAL_BYTES];
};

static void append_text(void *to, const void *bytes, size_t len)
{
    struct text *text = to;
    assert_true(len <= sizeof(text->bytes) - text->len);
    memcpy(text->bytes + text->len, bytes, len);
    text->len += len;
}

/* Two spellings of the same value. */
static const struct spelling {
    enum rule_member member;
    const char *as[2];
} spellings[] = {
    { RULE_URI, { F "/node/*", F "/node/*" } },
    { RULE_URI, { F "/x/y", F "/x/y" } },
    { RULE_DNS, { "*.FED.example", "*.fed.EXAMPLE" } },
    { RULE_IP, { "2001:DB8:0:0::/32", "2001:db8::/32" } },
    { RULE_IP, { "10.1.2.3", "10.1.2.3/32" } },
    { RULE_EMAIL, { "x@FED.example", "x@fed.example" } },
    { RULE_SPKI_SHA256,
      { AA32, "AA:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:"
              "aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa:aa" } },
    { RULE_SERIAL, { "1f0a", "00:1F:0A" } },
    { RULE_EXTENDED_KEY_USAGE, { "clientAuth", "1.3.6.1.5.5.7.3.2" } },
    { RULE_POLICY_OID, { "2.999.1", "2.999.1" } },
    { RULE_CN, { "node a", "node a" } },
    { RULE_MAX_LIFETIME_DAYS, { "397", "397" } },
};

static void shuffle(size_t *numbers, size_t len, unsigned *seed)
{
    for (size_t i = 0; i < len; i++) {
        numbers[i] = i;
    }
    for (size_t i = len; i > 1; i--) {
        *seed = *seed * 1103515245u + 12345u;
        size_t j = (*seed >> 16) % i;
        size_t other = numbers[j];
        numbers[j] = numbers[i - 1];
        numbers[i - 1] = other;
    }
}

/* Rule i has the spellings i, i + 1 and i + 5, and matches only some peers. */
static void build_shuffled(struct rule_list *list, unsigned seed)
{
    size_t rules_order[ORDER_RULES];
    shuffle(rules_order, ORDER_RULES, &seed);
    for (size_t i = 0; i < ORDER_RULES; i++) {
        static const size_t steps[] = { 0, 1, 5 };
        size_t rule = rules_order[i];
        size_t values_order[3];
        char name[16];
        shuffle(values_order, 3, &seed);
        snprintf(name, sizeof(name), "rule %zu", rule);
        assert_int_equal(rule_list_append(list, name, rule % 3 + 1, NULL), NK_OK);
        for (size_t v = 0; v < 3; v++) {
            const struct spelling *one =
                &spellings[(rule + steps[values_order[v]]) % ARRAY_LEN(spellings)];
            assert_int_equal(rule_list_add(list, one->member, one->as[seed >> 20 & 1], NULL),
                             NK_OK);
        }
    }
    sort_rules(list);
}

static void order_changes_nothing(void **state)
{
    (void)state;
    static struct text first, later;
    char want[2][NK_RULE_NAME_BYTES] = { "", "" };

    for (unsigned seed = 0; seed < ORDER_SHUFFLES; seed++) {
        struct rule_list list = { 0 };
        struct text *text = seed == 0 ? &first : &later;
        build_shuffled(&list, seed);
        text->len = 0;
        assert_true(rule_list_canonical(&list, append_text, text));
        assert_int_equal(text->len, first.len);
        assert_memory_equal(text->bytes, first.bytes, first.len);
        for (size_t i = 0; i < 2; i++) {
            nk_peer peer = a_peer();
            peer.role = i == 0 ? NK_PEER_IS_CLIENT : NK_PEER_IS_SERVER;
            const struct traits traits = traits_of(&peer);
            const struct rule *found = rule_list_find(&list, &traits);
            assert_non_null(found);
            if (seed == 0) {
                snprintf(want[i], sizeof(want[i]), "%s", rule_name(found));
            }
            assert_string_equal(rule_name(found), want[i]);
        }
        rule_list_clear(&list);
    }
}

static bool same_text(struct rule_list *a, struct rule_list *b)
{
    static struct text one, other;
    one.len = other.len = 0;
    sort_rules(a);
    sort_rules(b);
    assert_true(rule_list_canonical(a, append_text, &one));
    assert_true(rule_list_canonical(b, append_text, &other));
    bool same = one.len == other.len && memcmp(one.bytes, other.bytes, one.len) == 0;
    rule_list_clear(a);
    rule_list_clear(b);
    return same;
}

static void other_rules_have_another_form(void **state)
{
    (void)state;
    struct rule_list a = { 0 };
    struct rule_list b = { 0 };
    add_text_rule(&a, "r", RULE_CN, "x", "y");
    add_text_rule(&b, "r", RULE_CN, "x", "z");
    assert_false(same_text(&a, &b));
    add_text_rule(&a, "r", RULE_CN, "x", "x"); /* said twice is said once */
    add_text_rule(&b, "r", RULE_CN, "x", NULL);
    assert_true(same_text(&a, &b));
    add_text_rule(&a, "rx", RULE_CN, "y", NULL); /* bytes that move over a border */
    add_text_rule(&b, "r", RULE_CN, "xy", NULL);
    assert_false(same_text(&a, &b));
    add_text_rule(&a, "r", RULE_CN, "xy", "z");
    add_text_rule(&b, "r", RULE_CN, "x", "yz");
    assert_false(same_text(&a, &b));
    add_text_rule(&a, "r", RULE_POLICY_OID, "1.2.3", NULL);
    add_text_rule(&b, "r", RULE_EXTENDED_KEY_USAGE, "1.2.3", NULL);
    assert_false(same_text(&a, &b));
    add_text_rule(&a, "r", RULE_CN, "x", NULL);
    assert_false(same_text(&a, &b)); /* one rule, none */
    assert_int_equal(rule_list_append(&a, "r", NK_PEER_IS_CLIENT, NULL), NK_OK);
    assert_int_equal(rule_list_append(&b, "r", NK_PEER_IS_SERVER, NULL), NK_OK);
    assert_false(same_text(&a, &b));
}

static void an_unsorted_list_has_no_canonical_form(void **state)
{
    (void)state;
    static struct text text;
    struct rule_list list = { 0 };
    assert_true(rule_list_canonical(&list, append_text, &text)); /* empty */
    add_text_rule(&list, "r", RULE_CN, "x", NULL);
    assert_false(rule_list_canonical(&list, append_text, &text));
    sort_rules(&list);
    assert_true(rule_list_canonical(&list, append_text, &text));
    assert_int_equal(rule_list_add(&list, RULE_CN, "y", NULL), NK_OK);
    assert_false(rule_list_canonical(&list, append_text, &text));
    sort_rules(&list);
    assert_int_equal(rule_list_append(&list, "a", BOTH, NULL), NK_OK);
    assert_false(rule_list_canonical(&list, append_text, &text));
    rule_list_clear(&list);
}

int main(void)
{
    ROWS_TEST(order_changes_nothing);
    ROWS_TEST(other_rules_have_another_form);
    ROWS_TEST(an_unsorted_list_has_no_canonical_form);
    return ROWS_RUN("rule order", NULL, NULL);
}
