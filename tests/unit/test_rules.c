/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/check.h"
#include "judge/explain.h"

#define F "spiffe://fed.example"
#define BOTH (NK_PEER_IS_CLIENT | NK_PEER_IS_SERVER)
#define AA8 "aaaaaaaaaaaaaaaa"
#define AA32 AA8 AA8 AA8 AA8
#define MANY 10000
#define DAY 86400
#define CA_PIN                                                                                     \
    "ca000000000000000000000000000000"                                                             \
    "00000000000000000000000000000000"
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
    { "uri: star takes the next star", glob_uri_matches, F "/node/*", F "/node/*", false },
    { "uri: two stars side by side", glob_uri_matches, F "/*/*", F "/a/b", true },
    { "uri: two stars are two segments", glob_uri_matches, F "/*/*", F "/a", false },
    { "uri: star before a slash at the end", glob_uri_matches, F "/*/", F "/a/", true },
    { "uri: star leaves the slash at the end", glob_uri_matches, F "/*", F "/a/", false },
    { "uri: star takes no parameter of another path", glob_uri_matches, F "/*/b", F "/a;/../b",
      false },
    { "dns: star takes a label with an underscore", glob_dns_matches, "*.fed.example",
      "_a.fed.example", true },
    { "dns: star takes no byte that no label has", glob_dns_matches, "*.fed.example",
      "a/b.fed.example", false },
    { "dns: a name that ends like the pattern", glob_dns_matches, "*.fed.example",
      "a.evilfed.example", false },
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
    { "uri taken: a port", RULE_URI, "https://fed.example:8443/a", NULL },
    { "uri taken: another scheme's port", RULE_URI, "http://fed.example:443/a", NULL },
    { "uri taken: IPv4", RULE_URI, "https://10.0.0.1/a", NULL },
    { "uri taken: IPv6", RULE_URI, "https://[2001:db8::1]:8443/a", NULL },
    { "uri taken: upper case in the path", RULE_URI, F "/Node/A", NULL },
    { "uri taken: every character of a trust domain", RULE_URI, "spiffe://a-b_c.d~e/x", NULL },
    { "uri taken: a urn's own case", RULE_URI, "urn:node:A", NULL },
    { "uri taken: a DID's own case", RULE_URI, "did:key:z6Mk", NULL },
    { "uri refused: upper-case scheme", RULE_URI, "Spiffe://fed.example/a", "lower case" },
    { "uri refused: upper-case authority", RULE_URI, "spiffe://Fed.example/a", "lower case" },
    { "uri refused: upper-case urn namespace", RULE_URI, "urn:Node:a", "lower case" },
    { "uri refused: upper-case UUID", RULE_URI, "urn:uuid:0A", "lower case" },
    { "uri refused: upper-case SIP host", RULE_URI, "sip:a@Fed.example", "lower case" },
    { "uri refused: upper-case SIP domain", RULE_URI, "sip:Fed.example", "lower case" },
    { "uri refused: dot segment first in a urn", RULE_URI, "x:../a", "path segment" },
    { "uri refused: dot segment in a urn", RULE_URI, "urn:x:a/./b", "path segment" },
    { "uri refused: percent-encoded letter", RULE_URI, F "/%61", "character itself" },
    { "uri refused: percent-encoded dots", RULE_URI, F "/%2E%2e/a", "character itself" },
    { "uri refused: user", RULE_URI, "spiffe://fed.example@evil/a", "user" },
    { "uri refused: a slash for no path", RULE_URI, F "/", "leave it out" },
    { "uri refused: trailing dot of the host", RULE_URI, "spiffe://fed.example./a", "dot" },
    { "uri refused: leading dot of the host", RULE_URI, "spiffe://.fed.example/a", "dot" },
    { "uri refused: empty label of the host", RULE_URI, "spiffe://fed..example/a", "host name" },
    { "uri refused: percent in the host", RULE_URI, "spiffe://fed%2dexample/a", "character" },
    { "uri refused: no host before the port", RULE_URI, "https://:8443/a", "without a host" },
    { "uri refused: empty port", RULE_URI, "https://fed.example:/a", "port" },
    { "uri refused: port with a zero before", RULE_URI, "https://fed.example:08443/a", "port" },
    { "uri refused: port too large", RULE_URI, "https://fed.example:65536/a", "65535" },
    { "uri refused: port is no number", RULE_URI, "https://fed.example:a/a", "port" },
    { "uri refused: the scheme's own port", RULE_URI, "https://fed.example:443/a", "leave it" },
    { "uri refused: IPv4 as one number", RULE_URI, "https://167772161/a", "number" },
    { "uri refused: IPv4 in hexadecimal", RULE_URI, "https://0x0a.0.0.0x1/a", "number" },
    { "uri refused: IPv4 in octal", RULE_URI, "https://012.0.0.1/a", "number" },
    { "uri refused: IPv6 written long", RULE_URI, "https://[2001:db8:0::1]/a", "RFC 5952" },
    { "uri refused: IPv6 holding IPv4", RULE_URI, "https://[::ffff:10.0.0.1]/a", "IPv4" },
    { "uri refused: IPv6 without an end", RULE_URI, "https://[2001:db8::1/a", "neither" },
    { "uri refused: a name in brackets", RULE_URI, "https://[fed]/a", "brackets" },
    { "uri refused: bytes after the brackets", RULE_URI, "https://[2001:db8::1]x/a", "port" },
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
    { "ip taken: the two addresses that only look like IPv4", RULE_IP, "::1", NULL },
    { "ip taken: a network of all", RULE_IP, "::/0", NULL },
    { "ip refused: IPv4 mapped into IPv6", RULE_IP, "::ffff:10.0.0.1", "write 10.0.0.1/32" },
    { "ip refused: a mapped network", RULE_IP, "::ffff:10.0.0.0/104", "write 10.0.0.0/8" },
    { "ip refused: a mapped network with IPv4's prefix", RULE_IP, "::FFFF:10.0.0.0/8",
      "write 10.0.0.0 and" },
    { "ip refused: all mapped addresses", RULE_IP, "::ffff:0:0/96", "write 0.0.0.0/0" },
    { "ip refused: IPv4-compatible IPv6", RULE_IP, "::10.0.0.1", "write 10.0.0.1/32" },
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
    { "issuer pin taken", RULE_ISSUER_SPKI_SHA256, AA32, NULL },
    { "issuer pin refused: short", RULE_ISSUER_SPKI_SHA256, AA8, "64" },
    { "email taken: plain", RULE_EMAIL, "x.y+z@Fed.Example", NULL },
    { "email refused: star", RULE_EMAIL, "*@fed.example", "no patterns" },
    { "email refused: star in the domain", RULE_EMAIL, "x@*.fed.example", "no patterns" },
    { "email refused: no local part", RULE_EMAIL, "@fed.example", "name@domain" },
    { "email refused: no domain", RULE_EMAIL, "x@", "name@domain" },
    { "email refused: bare domain", RULE_EMAIL, "fed.example", "name@domain" },
    { "email refused: quotes", RULE_EMAIL, "\"x\"@fed.example", "quotes" },
    { "email refused: two ats", RULE_EMAIL, "x@y@fed.example", "name@domain" },
    { "email refused: trailing dot", RULE_EMAIL, "x@fed.example.", "name@domain" },
    { "email refused: dot at an end", RULE_EMAIL, ".x@fed.example", "name@domain" },
    { "email refused: two dots", RULE_EMAIL, "x..y@fed.example", "name@domain" },
    { "email refused: empty", RULE_EMAIL, "", "name@domain" },
    { "email refused: local part too long", RULE_EMAIL, LABEL64 "x@fed.example", "name@domain" },
    { "serial taken: upper case", RULE_SERIAL, "0A1B", NULL },
    { "serial taken: colons", RULE_SERIAL, "0a:1b:2c", NULL },
    { "serial taken: one digit", RULE_SERIAL, "1", NULL },
    { "serial taken: zero", RULE_SERIAL, "00", NULL },
    { "serial taken: negative", RULE_SERIAL, "-1F", NULL },
    { "serial taken: 20 bytes", RULE_SERIAL, "00aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL },
    { "serial refused: 21 bytes", RULE_SERIAL, "1aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "40" },
    { "serial refused: empty", RULE_SERIAL, "", "serial" },
    { "serial refused: only a sign", RULE_SERIAL, "-", "serial" },
    { "serial refused: 0x", RULE_SERIAL, "0x1f", "openssl x509" },
    { "serial refused: a leading colon", RULE_SERIAL, ":1f", "serial" },
    { "serial refused: a trailing colon", RULE_SERIAL, "1f:", "serial" },
    { "serial refused: two colons", RULE_SERIAL, "1f::0a", "serial" },
    { "serial refused: a space", RULE_SERIAL, "1f 0a", "serial" },
    { "policy taken", RULE_POLICY_OID, "1.3.6.1.4.1.99999.1", NULL },
    { "policy taken: a huge arc", RULE_POLICY_OID, "2.25.329800735698586629295641978511506172918",
      NULL },
    { "policy refused: a name", RULE_POLICY_OID, "clientAuth", "dotted" },
    { "policy refused: anyPolicy", RULE_POLICY_OID, "2.5.29.32.0", "anyPolicy" },
    { "policy refused: one arc", RULE_POLICY_OID, "1", "dotted" },
    { "policy refused: a leading zero", RULE_POLICY_OID, "1.3.06", "dotted" },
    { "policy refused: a trailing dot", RULE_POLICY_OID, "1.3.", "dotted" },
    { "policy refused: two dots", RULE_POLICY_OID, "1..3", "dotted" },
    { "policy refused: first arc 3", RULE_POLICY_OID, "3.1", "dotted" },
    { "policy refused: second arc 40", RULE_POLICY_OID, "1.40", "dotted" },
    { "policy refused: empty", RULE_POLICY_OID, "", "dotted" },
    { "usage taken: clientAuth", RULE_EXTENDED_KEY_USAGE, "clientAuth", NULL },
    { "usage taken: another short name", RULE_EXTENDED_KEY_USAGE, "codeSigning", NULL },
    { "usage taken: dotted", RULE_EXTENDED_KEY_USAGE, "1.2.3.4", NULL },
    { "usage refused: a slip", RULE_EXTENDED_KEY_USAGE, "clientauth", "clientAuth" },
    { "usage refused: empty", RULE_EXTENDED_KEY_USAGE, "", "extended key usage" },
    { "usage refused: a name without a number", RULE_EXTENDED_KEY_USAGE, "UNDEF", "extended" },
    { "key type taken: RSA", RULE_KEY_TYPES, "RSA", NULL },
    { "key type taken: RSA-3072", RULE_KEY_TYPES, "RSA-3072", NULL },
    { "key type taken: P-521", RULE_KEY_TYPES, "P-521", NULL },
    { "key type taken: Ed25519", RULE_KEY_TYPES, "Ed25519", NULL },
    { "key type refused: case", RULE_KEY_TYPES, "ed25519", "Ed25519" },
    { "key type refused: no size", RULE_KEY_TYPES, "RSA-", "RSA-3072" },
    { "key type refused: a small size", RULE_KEY_TYPES, "RSA-512", "1024" },
    { "key type refused: a leading zero", RULE_KEY_TYPES, "RSA-03072", "RSA-3072" },
    { "key type refused: EC", RULE_KEY_TYPES, "EC", "P-256" },
    { "days taken", RULE_MAX_LIFETIME_DAYS, "36500", NULL },
    { "days refused: none", RULE_MAX_LIFETIME_DAYS, "0", "36500" },
    { "days refused: too many", RULE_MAX_LIFETIME_DAYS, "36501", "36500" },
    { "days refused: a sign", RULE_MAX_LIFETIME_DAYS, "+1", "36500" },
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

static char *usages[] = { (char *)"1.3.6.1.5.5.7.3.2", (char *)"1.2.3.4" };
static char *policies[] = { (char *)"1.3.6.1.4.1.99999.1", (char *)"2.999.1" };
static const uint8_t issuer_spki[NK_SHA256_BYTES] = { 0xca };

static struct traits traits_of(const nk_peer *peer)
{
    return (struct traits){ .peer = peer,
                            .serial = "1f0a",
                            .key_type = "RSA-3072",
                            .usages = usages,
                            .usages_len = ARRAY_LEN(usages),
                            .lifetime_seconds = 397 * DAY,
                            .issuer_spki_sha256 = issuer_spki,
                            .policies = policies,
                            .policies_len = ARRAY_LEN(policies) };
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

static void sort(struct rule_list *list)
{
    nk_error err = { .struct_size = sizeof(err) };
    if (rule_list_sort(list, &err) != NK_OK) {
        fail_msg("%s", err.text);
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
    sort(&list);
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
        sort(&list);
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
    sort(&list);
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
    sort(&list);
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
    sort(&list);
    assert_null(rule_list_find(&list, &traits));
    add_pin_rule(&list, "same pin", 7); /* after sorting: unsorted again */
    assert_string_equal(rule_name(rule_list_find(&list, &traits)), "same pin");
    sort(&list);
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
        sort(&list);
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
        sort(&list);
        assert_null(rule_list_find(&list, &traits));
        assert_int_equal(rule_list_append(&list, "hit", BOTH, NULL), NK_OK);
        assert_int_equal(rule_list_add(&list, hooks[i].member, hooks[i].near, NULL), NK_OK);
        assert_int_equal(rule_list_add(&list, hooks[i].member, hooks[i].value, NULL), NK_OK);
        sort(&list);
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
    sort(&list);
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
        sort(&list);
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
    sort(&list);
    assert_non_null(rule_list_find(&list, &traits));
    assert_null(rule_list_find_naming(&list, &traits));
    assert_int_equal(rule_list_append(&list, "b", BOTH, NULL), NK_OK);
    assert_int_equal(rule_list_add(&list, RULE_SPKI_SHA256, AA32, NULL), NK_OK);
    assert_string_equal(rule_name(rule_list_find_naming(&list, &traits)), "b");
    sort(&list);
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

/* --- order --- */

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
    sort(list);
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

static void add_text_rule(struct rule_list *list, const char *name, enum rule_member member,
                          const char *value, const char *more)
{
    assert_int_equal(rule_list_append(list, name, BOTH, NULL), NK_OK);
    assert_int_equal(rule_list_add(list, member, value, NULL), NK_OK);
    if (more != NULL) {
        assert_int_equal(rule_list_add(list, member, more, NULL), NK_OK);
    }
}

static bool same_text(struct rule_list *a, struct rule_list *b)
{
    static struct text one, other;
    one.len = other.len = 0;
    sort(a);
    sort(b);
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
    sort(&list);
    assert_true(rule_list_canonical(&list, append_text, &text));
    assert_int_equal(rule_list_add(&list, RULE_CN, "y", NULL), NK_OK);
    assert_false(rule_list_canonical(&list, append_text, &text));
    sort(&list);
    assert_int_equal(rule_list_append(&list, "a", BOTH, NULL), NK_OK);
    assert_false(rule_list_canonical(&list, append_text, &text));
    rule_list_clear(&list);
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
    sort(&admit);
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

static void an_empty_list_finds_nothing(void **state)
{
    (void)state;
    struct rule_list list = { 0 };
    nk_peer peer = a_peer();
    const struct traits traits = traits_of(&peer);
    assert_null(rule_list_find(&list, &traits));
    sort(&list);
    assert_null(rule_list_find(&list, &traits));
    assert_null(rule_list_odd_name(&list, &traits));
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
        cmocka_unit_test(the_smallest_name_is_found),
        cmocka_unit_test(a_rule_found_by_walking_may_be_the_first),
        cmocka_unit_test(many_rules_with_one_pin),
        cmocka_unit_test(a_pin_beside_other_members_still_ands),
        cmocka_unit_test(a_rule_of_many_pins_and_a_member_before_them),
        cmocka_unit_test(every_member_leads_to_its_rule),
        cmocka_unit_test(patterns_of_any_shape_are_found),
        cmocka_unit_test(unknown_facts_match_nothing),
        cmocka_unit_test(only_rules_that_name_the_peer_are_found),
        cmocka_unit_test(odd_names_are_told),
        cmocka_unit_test(order_changes_nothing),
        cmocka_unit_test(other_rules_have_another_form),
        cmocka_unit_test(an_unsorted_list_has_no_canonical_form),
        cmocka_unit_test(the_explanation_goes_by_list_and_name),
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
