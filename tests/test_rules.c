/* SPDX-License-Identifier: Apache-2.0 */
#include "rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define F "spiffe://fed.example"
#define BOTH (NK_PEER_IS_CLIENT | NK_PEER_IS_SERVER)
#define AA8 "aaaaaaaaaaaaaaaa"
#define AA32 AA8 AA8 AA8 AA8
#define MANY 10000
#define LABEL64 "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcd"
#define LABEL63 "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabc"

/* --- globs: what matches what --- */

static const struct glob_row {
    const char *name; /* the rule this row proves; it is the test's name */
    bool (*matches)(const char *pattern, const char *text);
    const char *pattern;
    const char *text;
    bool want;
} globs[] = {
    { "uri: equal names match", glob_uri_matches, F "/node/a", F "/node/a", true },
    { "uri: case counts", glob_uri_matches, F "/node/a", F "/node/A", false },
    { "uri: case counts in the authority", glob_uri_matches, F "/a", "spiffe://FED.example/a",
      false },
    { "uri: case counts in the scheme", glob_uri_matches, F "/a", "SPIFFE://fed.example/a", false },
    { "uri: a longer name does not match", glob_uri_matches, F "/a", F "/ab", false },
    { "uri: a shorter name does not match", glob_uri_matches, F "/ab", F "/a", false },
    { "uri: star takes one segment", glob_uri_matches, F "/node/*", F "/node/a", true },
    { "uri: star takes no empty segment", glob_uri_matches, F "/node/*", F "/node/", false },
    { "uri: star does not cross a slash", glob_uri_matches, F "/node/*", F "/node/a/b", false },
    { "uri: star in the middle", glob_uri_matches, F "/*/node", F "/eu/node", true },
    { "uri: star in the middle is one segment", glob_uri_matches, F "/*/node", F "/eu/x/node",
      false },
    { "uri: several stars", glob_uri_matches, F "/*/node/*", F "/eu/node/7", true },
    { "uri: several stars, one empty", glob_uri_matches, F "/*/node/*", F "//node/7", false },
    { "uri: star takes no dot segment", glob_uri_matches, F "/node/*", F "/node/..", false },
    { "uri: star takes dots inside a name", glob_uri_matches, F "/node/*", F "/node/a..b", true },
    { "uri: star takes nothing encoded", glob_uri_matches, F "/node/*", F "/node/a%2fb", false },
    { "uri: star takes no query", glob_uri_matches, F "/node/*", F "/node/a?b", false },
    { "uri: star takes no fragment", glob_uri_matches, F "/node/*", F "/node/a#b", false },
    { "uri: star is not the authority", glob_uri_matches, "spiffe://*", "spiffe://evil", false },
    { "uri: star is no part of the authority", glob_uri_matches, "spiffe://*.example/a",
      "spiffe://evil.example/a", false },
    { "uri: star is no part of a segment", glob_uri_matches, F "/node*", F "/nodejack", false },
    { "uri: a lone star matches nothing", glob_uri_matches, "*", F "/node/a", false },
    { "uri: an empty name is no name", glob_uri_matches, F "/*", "", false },
    { "uri: no prefix attack on the authority", glob_uri_matches, F "/*",
      "spiffe://fed.example.evil/a", false },
    { "uri: a urn is compared whole", glob_uri_matches, "urn:node:7", "urn:node:7", true },
    { "dns: equal names match", glob_dns_matches, "a.fed.example", "a.fed.example", true },
    { "dns: case does not count", glob_dns_matches, "A.fed.Example", "a.FED.example", true },
    { "dns: star takes the leftmost label", glob_dns_matches, "*.fed.example", "a.fed.example",
      true },
    { "dns: star takes one label", glob_dns_matches, "*.fed.example", "a.b.fed.example", false },
    { "dns: star takes no empty label", glob_dns_matches, "*.fed.example", ".fed.example", false },
    { "dns: star does not match the parent", glob_dns_matches, "*.fed.example", "fed.example",
      false },
    { "dns: star takes no star", glob_dns_matches, "*.fed.example", "*.fed.example", false },
    { "dns: a wildcard name is not a name it covers", glob_dns_matches, "a.fed.example",
      "*.fed.example", false },
    { "dns: a trailing dot is another name", glob_dns_matches, "a.fed.example", "a.fed.example.",
      false },
    { "dns: a longer name does not match", glob_dns_matches, "a.fed.example", "a.fed.example.evil",
      false },
};

static void check_glob(void **state)
{
    const struct glob_row *row = *state;
    assert_int_equal(row->matches(row->pattern, row->text), row->want);
}

/* --- values: what the grammar takes --- */

static const struct value_row {
    const char *name;
    enum rule_member member;
    const char *value;
    const char *want; /* a piece of the refusal; NULL: taken */
} values[] = {
    { "uri taken: no path", RULE_URI, F, NULL },
    { "uri taken: stars", RULE_URI, F "/*/node/*", NULL },
    { "uri taken: percent-encoded", RULE_URI, F "/a%20b", NULL },
    { "uri taken: trailing slash", RULE_URI, F "/a/", NULL },
    { "uri refused: empty", RULE_URI, "", "scheme" },
    { "uri refused: no scheme", RULE_URI, "fed.example/node/*", "scheme" },
    { "uri refused: star as scheme", RULE_URI, "*://fed.example/a", "scheme" },
    { "uri refused: star in the scheme", RULE_URI, "spif*://fed.example/a", "scheme" },
    { "uri refused: star as authority", RULE_URI, "spiffe://*/a", "authority" },
    { "uri refused: star in the authority", RULE_URI, "spiffe://*.example/a", "authority" },
    { "uri refused: star as port", RULE_URI, "https://fed.example:*/a", "authority" },
    { "uri refused: no authority", RULE_URI, "spiffe:///a", "authority" },
    { "uri refused: star in a urn", RULE_URI, "urn:node:*", "path" },
    { "uri refused: star within a segment", RULE_URI, F "/node-*", "whole path segment" },
    { "uri refused: two stars in a segment", RULE_URI, F "/**", "whole path segment" },
    { "uri refused: query", RULE_URI, F "/a?b", "query" },
    { "uri refused: fragment", RULE_URI, F "/a#b", "fragment" },
    { "uri refused: dot segment", RULE_URI, F "/a/../b", "." },
    { "uri refused: space", RULE_URI, F "/a b", "space" },
    { "uri refused: control byte", RULE_URI, F "/a\x01", "control" },
    { "uri refused: non-ASCII", RULE_URI, F "/\xc3\xa9", "non-ASCII" },
    { "uri refused: brace", RULE_URI, F "/{a}", "no URI has" },
    { "uri refused: half a percent", RULE_URI, F "/a%2", "percent" },
    { "dns taken: plain", RULE_DNS, "node-7.fed.example", NULL },
    { "dns taken: one label", RULE_DNS, "localhost", NULL },
    { "dns taken: star", RULE_DNS, "*.fed.example", NULL },
    { "dns taken: longest label", RULE_DNS, LABEL63 ".example", NULL },
    { "dns refused: label too long", RULE_DNS, LABEL63 "d.example", "63" },
    { "dns refused: name too long", RULE_DNS,
      LABEL63 "." LABEL63 "." LABEL63 "." LABEL63 ".example", "253" },
    { "dns refused: empty", RULE_DNS, "", "empty label" },
    { "dns refused: trailing dot", RULE_DNS, "fed.example.", "dot" },
    { "dns refused: empty label", RULE_DNS, "a..example", "empty label" },
    { "dns refused: lone star", RULE_DNS, "*", "leftmost" },
    { "dns refused: star not leftmost", RULE_DNS, "a.*.example", "leftmost" },
    { "dns refused: part of a label", RULE_DNS, "node*.example", "leftmost" },
    { "dns refused: two stars", RULE_DNS, "*.*.example", "leftmost" },
    { "dns refused: address", RULE_DNS, "10.0.0.1", "\"ip\"" },
    { "dns refused: non-ASCII", RULE_DNS,
      "n\xc3\xb6"
      "de.example",
      "xn--" },
    { "dns refused: hyphen at an end", RULE_DNS, "-a.example", "hyphen" },
    { "ip taken: IPv4", RULE_IP, "10.1.2.3", NULL },
    { "ip taken: IPv6", RULE_IP, "2001:DB8::1", NULL },
    { "ip taken: IPv4 network", RULE_IP, "10.0.0.0/8", NULL },
    { "ip taken: IPv6 network", RULE_IP, "2001:db8::/32", NULL },
    { "ip taken: everything", RULE_IP, "0.0.0.0/0", NULL },
    { "ip taken: odd prefix", RULE_IP, "10.1.2.4/31", NULL },
    { "ip refused: host bits", RULE_IP, "10.1.2.3/8", "write 10.0.0.0/8" },
    { "ip refused: host bits, odd prefix", RULE_IP, "10.1.2.5/31", "write 10.1.2.4/31" },
    { "ip refused: host bits, IPv6", RULE_IP, "2001:db8::1/32", "write 2001:db8::/32" },
    { "ip refused: prefix too long", RULE_IP, "10.0.0.0/33", "from 0 to 32" },
    { "ip refused: no prefix", RULE_IP, "10.0.0.0/", "prefix" },
    { "ip refused: signed prefix", RULE_IP, "10.0.0.0/+8", "prefix" },
    { "ip refused: leading zero", RULE_IP, "10.0.0.0/08", "prefix" },
    { "ip refused: short", RULE_IP, "10.1", "neither" },
    { "ip refused: zone", RULE_IP, "fe80::1%eth0", "neither" },
    { "ip refused: name", RULE_IP, "localhost", "neither" },
    { "cn taken: spaces", RULE_CN, "My CA", NULL },
    { "cn taken: a star is a star", RULE_CN, "*", NULL },
    { "cn refused: empty", RULE_CN, "", "common name" },
    { "cn refused: non-ASCII", RULE_CN, "caf\xc3\xa9", "common name" },
    { "pin taken: lower case", RULE_SPKI_SHA256, AA32, NULL },
    { "pin taken: upper case", RULE_SPKI_SHA256, "AAAAAAAAAAAAAAAA" AA8 AA8 AA8, NULL },
    { "pin taken: colons", RULE_SPKI_SHA256,
      "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:"
      "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF",
      NULL },
    { "pin refused: short", RULE_SPKI_SHA256, AA8, "64" },
    { "pin refused: long", RULE_SPKI_SHA256, AA32 "aa", "64" },
    { "pin refused: no hexadecimal", RULE_SPKI_SHA256, "zz" AA8 AA8 AA8 "aaaaaaaaaaaaaa", "64" },
    { "pin refused: colon within a byte", RULE_SPKI_SHA256, "a:a" AA8 AA8 AA8 "aaaaaaaaaaaaaa",
      "64" },
    { "pin refused: trailing colon", RULE_SPKI_SHA256, AA32 ":", "64" },
};

static void check_value(void **state)
{
    const struct value_row *row = *state;
    struct rule_list list = { 0 };
    nk_error err = { .struct_size = sizeof(err) };

    assert_int_equal(rule_list_append(&list, "r", BOTH, NULL), NK_OK);
    nk_status status = rule_list_add(&list, row->member, row->value, &err);
    assert_int_equal(status, row->want == NULL ? NK_OK : NK_E_CONFIG);
    assert_int_equal(err.status, status);
    assert_int_equal(rule_has(rule_list_at(&list, 0), row->member), row->want == NULL);
    if (row->want != NULL && strstr(err.text, row->want) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, row->want);
    }
    for (const char *c = err.text; *c != '\0'; c++) {
        assert_true(*c >= ' ' && *c < 0x7f);
    }
    rule_list_clear(&list);
}

/* --- rules --- */

static const nk_name names[] = {
    { .kind = NK_NAME_URI, .text = F "/node/a" },
    { .kind = NK_NAME_DNS, .text = "a.fed.example" },
    { .kind = NK_NAME_DNS, .text = "b.fed.example" },
    { .kind = NK_NAME_IP, .text = "10.1.2.3" },
    { .kind = NK_NAME_IP, .text = "2001:db8::1" },
    { .kind = NK_NAME_EMAIL, .text = "x@fed.example" },
};

static nk_peer a_peer(void)
{
    nk_peer peer = { .struct_size = sizeof(peer),
                     .role = NK_PEER_IS_CLIENT,
                     .names = names,
                     .names_len = ARRAY_LEN(names),
                     .common_name = "node a" };
    memset(peer.spki_sha256, 0xaa, sizeof(peer.spki_sha256));
    return peer;
}

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
};

static void check_rule(void **state)
{
    const struct rule_row *row = *state;
    const nk_peer peer = a_peer();
    struct rule_list list = { 0 };
    char why[200] = "unwritten";

    assert_int_equal(rule_list_append(&list, "r", row->directions, NULL), NK_OK);
    for (size_t i = 0; i < ARRAY_LEN(row->add) && row->add[i].value != NULL; i++) {
        assert_int_equal(rule_list_add(&list, row->add[i].member, row->add[i].value, NULL), NK_OK);
    }
    const struct rule *rule = rule_list_at(&list, 0);
    assert_int_equal(rule_matches(rule, &peer, why, sizeof(why)), row->want);
    assert_int_equal(rule_matches(rule, &peer, NULL, 0), row->want);
    if (strncmp(why, row->why, strlen(row->why)) != 0 && strstr(why, row->why) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", why, row->why);
    }
    assert_ptr_equal(rule_list_find(&list, &peer), row->want ? rule : NULL);
    rule_list_clear(&list);
}

/* --- lists --- */

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
        snprintf(name, sizeof(name), "r%u", i);
        add_pin_rule(&list, name, i);
    }
    assert_int_equal(list.len, MANY);
    nk_peer peer = a_peer();
    for (unsigned i = 0; i < MANY; i++) {
        set_pin(&peer, i);
        assert_ptr_equal(rule_list_find(&list, &peer), rule_list_at(&list, i));
    }
    for (unsigned i = MANY; i < 2 * MANY; i++) {
        set_pin(&peer, i);
        assert_null(rule_list_find(&list, &peer));
    }
    rule_list_clear(&list);
    assert_int_equal(list.len, 0);
}

static void the_first_in_document_order_is_found(void **state)
{
    (void)state;
    struct rule_list list = { 0 };
    nk_peer peer = a_peer();
    set_pin(&peer, 7);
    add_pin_rule(&list, "other pin", 8);
    add_pin_rule(&list, "pin", 7);
    assert_int_equal(rule_list_append(&list, "cn", BOTH, NULL), NK_OK);
    assert_int_equal(rule_list_add(&list, RULE_CN, "node a", NULL), NK_OK);
    assert_string_equal(rule_name(rule_list_find(&list, &peer)), "pin");
    rule_list_clear(&list);

    assert_int_equal(rule_list_append(&list, "cn", BOTH, NULL), NK_OK);
    assert_int_equal(rule_list_add(&list, RULE_CN, "node a", NULL), NK_OK);
    add_pin_rule(&list, "pin", 7);
    assert_string_equal(rule_name(rule_list_find(&list, &peer)), "cn");
    rule_list_clear(&list);
}

/* The pin's slot is the table's last, so its many rules wrap around and move as the table grows. */
static void the_first_of_many_rules_with_one_pin_is_found(void **state)
{
    (void)state;
    static const char pin[] = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
    struct rule_list list = { 0 };
    nk_peer peer = a_peer();
    memset(peer.spki_sha256, 0xff, sizeof(peer.spki_sha256));
    for (int i = 0; i < 100; i++) {
        assert_int_equal(rule_list_append(&list, i == 0 ? "first" : "later", BOTH, NULL), NK_OK);
        assert_int_equal(rule_list_add(&list, RULE_SPKI_SHA256, pin, NULL), NK_OK);
        assert_string_equal(rule_name(rule_list_find(&list, &peer)), "first");
    }
    rule_list_clear(&list);
}

static void a_pin_beside_other_members_still_ands(void **state)
{
    (void)state;
    struct rule_list list = { 0 };
    nk_peer peer = a_peer();
    set_pin(&peer, 7);
    add_pin_rule(&list, "pin and cn", 7);
    assert_int_equal(rule_list_add(&list, RULE_CN, "somebody else", NULL), NK_OK);
    assert_null(rule_list_find(&list, &peer));
    add_pin_rule(&list, "same pin", 7);
    assert_string_equal(rule_name(rule_list_find(&list, &peer)), "same pin");
    rule_list_clear(&list);
}

static void a_rule_of_many_pins_and_a_member_before_them(void **state)
{
    (void)state;
    struct rule_list list = { 0 };
    nk_peer peer = a_peer();
    assert_int_equal(rule_list_append(&list, "many", BOTH, NULL), NK_OK);
    assert_int_equal(rule_list_add(&list, RULE_CN, "node a", NULL), NK_OK);
    for (unsigned i = 0; i < 100; i++) {
        char pin[2 * NK_SHA256_BYTES + 1];
        snprintf(pin, sizeof(pin), "%08x%056x", i * 2654435761u, i);
        assert_int_equal(rule_list_add(&list, RULE_SPKI_SHA256, pin, NULL), NK_OK);
    }
    set_pin(&peer, 99);
    assert_non_null(rule_list_find(&list, &peer));
    set_pin(&peer, 100);
    assert_null(rule_list_find(&list, &peer));
    rule_list_clear(&list);
}

static void an_empty_list_finds_nothing(void **state)
{
    (void)state;
    struct rule_list list = { 0 };
    nk_peer peer = a_peer();
    assert_null(rule_list_find(&list, &peer));
    rule_list_clear(&list);
}

static void rule_names_are_checked(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "all-certified", "tab\there", "caf\xc3\xa9", LABEL64 };
    struct rule_list list = { 0 };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(rule_list_append(&list, bad[i], BOTH, NULL), NK_E_CONFIG);
    }
    assert_int_equal(rule_list_append(&list, "r", 0, NULL), NK_E_USAGE);
    assert_int_equal(rule_list_add(&list, RULE_CN, "x", NULL), NK_E_USAGE);
    assert_int_equal(list.len, 0);
    assert_int_equal(rule_list_append(&list, LABEL63, BOTH, NULL), NK_OK);
    assert_string_equal(rule_name(rule_list_at(&list, 0)), LABEL63);
    rule_list_clear(&list);
}

static void members_have_json_names(void **state)
{
    (void)state;
    assert_string_equal(rule_member_name(RULE_URI), "uri");
    assert_string_equal(rule_member_name(RULE_SPKI_SHA256), "spki_sha256");
}

int main(void)
{
    static const struct CMUnitTest lists[] = {
        cmocka_unit_test(thousands_of_pins_are_all_found),
        cmocka_unit_test(the_first_in_document_order_is_found),
        cmocka_unit_test(the_first_of_many_rules_with_one_pin_is_found),
        cmocka_unit_test(a_pin_beside_other_members_still_ands),
        cmocka_unit_test(a_rule_of_many_pins_and_a_member_before_them),
        cmocka_unit_test(an_empty_list_finds_nothing),
        cmocka_unit_test(rule_names_are_checked),
        cmocka_unit_test(members_have_json_names),
    };
    struct CMUnitTest
        tests[ARRAY_LEN(globs) + ARRAY_LEN(values) + ARRAY_LEN(rules) + ARRAY_LEN(lists)] = { 0 };
    size_t len = 0;
    for (size_t i = 0; i < ARRAY_LEN(globs); i++) {
        tests[len++] =
            (struct CMUnitTest){ globs[i].name, check_glob, NULL, NULL, (void *)&globs[i] };
    }
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        tests[len++] =
            (struct CMUnitTest){ values[i].name, check_value, NULL, NULL, (void *)&values[i] };
    }
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        tests[len++] =
            (struct CMUnitTest){ rules[i].name, check_rule, NULL, NULL, (void *)&rules[i] };
    }
    memcpy(tests + len, lists, sizeof(lists));
    return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
