/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/auto.h"
#include "fixtures/rows.h"
#include "unit/rule_peer.h"

#define LABEL64 "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcd"
#define LABEL63 "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabc"

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

int main(void)
{
    ROWS_OF(values, check_value)
    ROWS_TEST(rule_names_are_checked);
    return ROWS_RUN("rule values", NULL, NULL);
}
