/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/rules.h"

#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "fixtures/rows.h"
#include "judge/explain.h"
#include "unit/rule_peer.h"

static const struct rule_row {
    const char *name;
    unsigned directions;
    bool want;
    struct {
        enum rule_member member;
        const char *value; /* NULL ends */
    } add[3];
    const char *why; /* a piece of it */
} rules[] = {
    { "a rule without members matches nobody", BOTH, false, { { 0, NULL } }, "no member" },
    { "one member", BOTH, true, { { RULE_URI, F "/node/*" } }, "" },
    { "one of two values is enough",
      BOTH,
      true,
      { { RULE_URI, F "/x" }, { RULE_URI, F "/node/a" } },
      "" },
    { "the second name is enough", BOTH, true, { { RULE_DNS, "b.fed.example" } }, "" },
    { "members are ANDed",
      BOTH,
      false,
      { { RULE_URI, F "/node/a" }, { RULE_DNS, "c.fed.example" } },
      "dns: the peer's are a.fed.example and 1 more" },
    { "all members match",
      BOTH,
      true,
      { { RULE_URI, F "/node/a" }, { RULE_CN, "node a" }, { RULE_SPKI_SHA256, AA32 } },
      "" },
    { "uri is not compared with dns",
      BOTH,
      false,
      { { RULE_DNS, "x.example" } },
      "dns: the peer's are" },
    { "wrong uri", BOTH, false, { { RULE_URI, F "/node/b" } }, "uri: the peer's is " F "/node/a" },
    { "inbound rule, inbound peer", NK_PEER_IS_CLIENT, true, { { RULE_CN, "node a" } }, "" },
    { "outbound rule, inbound peer",
      NK_PEER_IS_SERVER,
      false,
      { { RULE_CN, "node a" } },
      "direction" },
    { "cn is exact", BOTH, false, { { RULE_CN, "node" } }, "cn: the peer's is \"node a\"" },
    { "cn has no stars", BOTH, false, { { RULE_CN, "node *" } }, "cn" },
    { "address", BOTH, true, { { RULE_IP, "10.1.2.3" } }, "" },
    { "another address", BOTH, false, { { RULE_IP, "10.1.2.4" } }, "ip" },
    { "network", BOTH, true, { { RULE_IP, "10.1.0.0/16" } }, "" },
    { "another network", BOTH, false, { { RULE_IP, "10.2.0.0/16" } }, "ip" },
    { "last address of an odd network", BOTH, true, { { RULE_IP, "10.1.2.2/31" } }, "" },
    { "IPv6 is compared as an address", BOTH, true, { { RULE_IP, "2001:DB8:0::1" } }, "" },
    { "IPv6 network", BOTH, true, { { RULE_IP, "2001:db8::/32" } }, "" },
    { "another IPv6 network", BOTH, false, { { RULE_IP, "2001:db9::/32" } }, "ip" },
    { "every IPv4 is no IPv6", BOTH, false, { { RULE_IP, "2001::/128" } }, "ip" },
    { "pin", BOTH, true, { { RULE_SPKI_SHA256, AA32 } }, "" },
    { "another pin",
      BOTH,
      false,
      { { RULE_SPKI_SHA256, "bb" AA8 AA8 AA8 "aaaaaaaaaaaaaa" } },
      "spki_sha256: the peer's is " AA32 },
    { "email", BOTH, true, { { RULE_EMAIL, "x@fed.example" } }, "" },
    { "email: the domain's case does not count",
      BOTH,
      true,
      { { RULE_EMAIL, "x@FED.example" } },
      "" },
    { "email: the local part's case counts",
      BOTH,
      false,
      { { RULE_EMAIL, "X@fed.example" } },
      "email: the peer's is x@fed.example" },
    { "email: another domain", BOTH, false, { { RULE_EMAIL, "x@fed.example.evil" } }, "email" },
    { "issuer", BOTH, true, { { RULE_ISSUER_SPKI_SHA256, CA_PIN } }, "" },
    { "another issuer",
      BOTH,
      false,
      { { RULE_ISSUER_SPKI_SHA256, AA32 } },
      "issuer_spki_sha256: the peer's is " CA_PIN },
    { "serial", BOTH, true, { { RULE_SERIAL, "1f0a" } }, "" },
    { "serial: case, colons and leading zeros do not count",
      BOTH,
      true,
      { { RULE_SERIAL, "00:00:1F:0A" } },
      "" },
    { "another serial", BOTH, false, { { RULE_SERIAL, "1f0" } }, "serial: the peer's is 1f0a" },
    { "a negative serial is another", BOTH, false, { { RULE_SERIAL, "-1f0a" } }, "serial" },
    { "a policy", BOTH, true, { { RULE_POLICY_OID, "2.999.1" } }, "" },
    { "another policy",
      BOTH,
      false,
      { { RULE_POLICY_OID, "1.3.6.1.4.1.99999.2" } },
      "policy_oid: the peer's are 1.3.6.1.4.1.99999.1 and 1 more" },
    { "a policy below", BOTH, false, { { RULE_POLICY_OID, "2.999" } }, "policy_oid" },
    { "a usage by name", BOTH, true, { { RULE_EXTENDED_KEY_USAGE, "clientAuth" } }, "" },
    { "a usage by number", BOTH, true, { { RULE_EXTENDED_KEY_USAGE, "1.2.3.4" } }, "" },
    { "another usage",
      BOTH,
      false,
      { { RULE_EXTENDED_KEY_USAGE, "serverAuth" } },
      "extended_key_usage: the peer's are 1.3.6.1.5.5.7.3.2 and 1 more" },
    { "any RSA key", BOTH, true, { { RULE_KEY_TYPES, "RSA" } }, "" },
    { "an RSA key of this size", BOTH, true, { { RULE_KEY_TYPES, "RSA-3072" } }, "" },
    { "an RSA key of another size",
      BOTH,
      false,
      { { RULE_KEY_TYPES, "RSA-2048" }, { RULE_KEY_TYPES, "P-256" } },
      "key_types: the peer's is RSA-3072" },
    { "as long as allowed", BOTH, true, { { RULE_MAX_LIFETIME_DAYS, "397" } }, "" },
    { "longer than allowed",
      BOTH,
      false,
      { { RULE_MAX_LIFETIME_DAYS, "396" } },
      "max_lifetime_days: the peer's certificate lives 397 days" },
    { "an email rule does not meet a common name",
      BOTH,
      false,
      { { RULE_EMAIL, "node@fed.example" } },
      "email" },
};

static void check_rule(void **state)
{
    const struct rule_row *row = *state;
    const nk_peer peer = a_peer();
    const struct traits traits = traits_of(&peer);
    struct rule_list list = { 0 };
    char why[200] = "unwritten";

    assert_int_equal(rule_list_append(&list, "r", row->directions, NULL), NK_OK);
    for (size_t i = 0; i < ARRAY_LEN(row->add) && row->add[i].value != NULL; i++) {
        assert_int_equal(rule_list_add(&list, row->add[i].member, row->add[i].value, NULL), NK_OK);
    }
    const struct rule *rule = rule_list_at(&list, 0);
    assert_int_equal(rule_matches(rule, &traits, why, sizeof(why)), row->want);
    assert_int_equal(rule_matches(rule, &traits, NULL, 0), row->want);
    if (strncmp(why, row->why, strlen(row->why)) != 0 && strstr(why, row->why) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", why, row->why);
    }
    assert_ptr_equal(rule_list_find(&list, &traits), row->want ? rule : NULL);
    assert_int_equal(rule_list_sort(&list, NULL), NK_OK); /* the same, by the index */
    rule = rule_list_at(&list, 0);
    assert_ptr_equal(rule_list_find(&list, &traits), row->want ? rule : NULL);
    assert_int_equal(rule_matches(rule, &traits, NULL, 0), row->want);
    rule_list_clear(&list);
}

/* A rule that asks what is not known must not match: it would admit, or deny, at random. */
static void unknown_facts_match_nothing(void **state)
{
    (void)state;
    static const struct {
        enum rule_member member;
        const char *value;
        const char *why;
    } asked[] = {
        { RULE_URI, F "/*/*", "uri: the peer has none" },
        { RULE_CN, "x", "cn: the peer's is \"\"" },
        { RULE_ISSUER_SPKI_SHA256, CA_PIN, "issuer_spki_sha256: not known" },
        { RULE_SERIAL, "0", "serial: the peer has none" },
        { RULE_POLICY_OID, "2.999.1", "policy_oid: the peer has none" },
        { RULE_EXTENDED_KEY_USAGE, "clientAuth", "extended_key_usage: the peer has none" },
        { RULE_KEY_TYPES, "RSA", "key_types: the peer has none" },
        { RULE_MAX_LIFETIME_DAYS, "36500", "max_lifetime_days" },
    };
    const nk_peer peer = { .struct_size = sizeof(peer),
                           .role = NK_PEER_IS_CLIENT,
                           .common_name = "" };
    const struct traits traits = { .peer = &peer, .lifetime_seconds = -1 };

    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        struct rule_list list = { 0 };
        char why[200] = "";
        assert_int_equal(rule_list_append(&list, "r", BOTH, NULL), NK_OK);
        assert_int_equal(rule_list_add(&list, asked[i].member, asked[i].value, NULL), NK_OK);
        assert_false(rule_matches(rule_list_at(&list, 0), &traits, why, sizeof(why)));
        assert_int_equal(strncmp(why, asked[i].why, strlen(asked[i].why)), 0);
        sort_rules(&list);
        assert_null(rule_list_find(&list, &traits));
        rule_list_clear(&list);
    }
}

static void only_rules_that_name_the_peer_are_found(void **state)
{
    (void)state;
    struct rule_list list = { 0 };
    nk_peer peer = a_peer();
    const struct traits traits = traits_of(&peer);
    assert_int_equal(rule_list_append(&list, "a", BOTH, NULL), NK_OK);
    assert_int_equal(rule_list_add(&list, RULE_CN, "node a", NULL), NK_OK);
    sort_rules(&list);
    assert_non_null(rule_list_find(&list, &traits));
    assert_null(rule_list_find_naming(&list, &traits));
    assert_int_equal(rule_list_append(&list, "b", BOTH, NULL), NK_OK);
    assert_int_equal(rule_list_add(&list, RULE_SPKI_SHA256, AA32, NULL), NK_OK);
    assert_string_equal(rule_name(rule_list_find_naming(&list, &traits)), "b");
    sort_rules(&list);
    assert_string_equal(rule_name(rule_list_find(&list, &traits)), "a");
    assert_string_equal(rule_name(rule_list_find_naming(&list, &traits)), "b");
    rule_list_clear(&list);
}

static void odd_names_are_told(void **state)
{
    (void)state;
    static const struct {
        enum rule_member member;
        const char *value;
        nk_name name;
        bool odd;
    } cases[] = {
        { RULE_URI, F "/a", { NK_NAME_URI, 0, F "/%61" }, true },
        { RULE_URI, F "/a", { NK_NAME_URI, 0, F "/b" }, false },
        { RULE_DNS, "a.example", { NK_NAME_DNS, 0, "a.example." }, true },
        { RULE_DNS, "a.example", { NK_NAME_URI, 0, F "/%61" }, false },
        { RULE_EMAIL, "x@a.example", { NK_NAME_EMAIL, 0, "\"x\"@a.example" }, true },
        { RULE_EMAIL, "x@a.example", { NK_NAME_EMAIL, 0, "x@a.example." }, true },
        { RULE_EMAIL, "x@a.example", { NK_NAME_EMAIL, 0, "x@y@a.example" }, true },
        { RULE_EMAIL, "x@a.example", { NK_NAME_EMAIL, 0, "y@a.example" }, false },
        { RULE_IP, "10.0.0.1", { NK_NAME_IP, 0, "::ffff:10.0.0.1" }, true },
        { RULE_IP, "10.0.0.1", { NK_NAME_IP, 0, "::ffff:1" }, false },
        { RULE_CN, "x", { NK_NAME_EMAIL, 0, "\"x\"@a.example" }, false },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rule_list list = { 0 };
        nk_peer peer = a_peer();
        const struct traits traits = traits_of(&peer);
        peer.names = &cases[i].name;
        peer.names_len = 1;
        assert_int_equal(rule_list_append(&list, "r", BOTH, NULL), NK_OK);
        assert_int_equal(rule_list_add(&list, cases[i].member, cases[i].value, NULL), NK_OK);
        const char *odd = rule_list_odd_name(&list, &traits);
        assert_ptr_equal(odd, cases[i].odd ? cases[i].name.text : NULL);
        rule_list_clear(&list);
    }
}

static void the_explanation_goes_by_list_and_name(void **state)
{
    (void)state;
    static const char *const want[] = {
        "\"role\": \"client\"",
        "\"issuer_spki_sha256\": \"" CA_PIN "\"",
        "\"serial\": \"1f0a\"",
        "\"list\": \"deny\"",
        "max_lifetime_days: the peer's certificate lives 397 days",
        "\"list\": \"admit\"",
        "\"name\": \"a\"",
        "\"name\": \"z\"",
        "key_types: the peer's is RSA-3072",
        "\"list\": \"admit_candidate\"",
        "\"matches\": true",
    };
    struct rule_list deny = { 0 };
    struct rule_list admit = { 0 };
    struct rule_list candidate = { 0 };
    const nk_peer peer = a_peer();
    const struct traits traits = traits_of(&peer);
    const nk_verdict verdict = { .struct_size = sizeof(verdict) };
    add_text_rule(&deny, "short", RULE_MAX_LIFETIME_DAYS, "1", NULL);
    add_text_rule(&admit, "z", RULE_KEY_TYPES, "P-256", NULL);
    add_text_rule(&admit, "a", RULE_CN, "x", NULL);
    add_text_rule(&candidate, "new", RULE_SERIAL, "1f0a", NULL);
    sort_rules(&admit);
    struct explain_rules lists = { .deny = &deny, .admit = &admit };

    char *json = explain_verdict(&lists, &traits, &verdict);
    assert_non_null(json);
    assert_null(strstr(json, "admit_candidate"));
    free(json);
    lists.candidate = &candidate;
    json = explain_verdict(&lists, &traits, &verdict);
    assert_non_null(json);
    const char *at = json;
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        at = strstr(at, want[i]);
        if (at == NULL) {
            fail_msg("no %s where it belongs in %s", want[i], json);
        }
    }
    free(json);
    rule_list_clear(&deny);
    rule_list_clear(&admit);
    rule_list_clear(&candidate);
}

static void members_have_json_names(void **state)
{
    (void)state;
    assert_string_equal(rule_member_name(RULE_URI), "uri");
    assert_string_equal(rule_member_name(RULE_SPKI_SHA256), "spki_sha256");
}

int main(void)
{
    ROWS_OF(rules, check_rule)
    ROWS_TEST(unknown_facts_match_nothing);
    ROWS_TEST(only_rules_that_name_the_peer_are_found);
    ROWS_TEST(odd_names_are_told);
    ROWS_TEST(the_explanation_goes_by_list_and_name);
    ROWS_TEST(members_have_json_names);
    return ROWS_RUN("rules", NULL, NULL);
}
