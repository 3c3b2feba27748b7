/* SPDX-License-Identifier: Apache-2.0 */
#include "fixtures/rows.h"
#include "rules/glob.h"
#include "unit/rule_peer.h"

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

int main(void)
{
    ROWS_OF(globs, check_glob)
    return ROWS_RUN("globs", NULL, NULL);
}
