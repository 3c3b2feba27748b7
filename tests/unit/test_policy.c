/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/policy.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <openssl/err.h>

#include "base/auto.h"
#include "chain/reasons.h"
#include "fixtures/rows.h"
#include "unit/policy_scene.h"

#define SERVER(host_name) .role = OUT, .target = (host_name)

static const struct row {
    const char *name; /* the rule this row proves; it is the test's name */
    struct setting setting;
    struct showing peer;
    const char *rule;   /* that decided; NULL: none */
    const char *reason; /* NULL: allowed */
} rows[] = {
    /* chains */
    { "a member dials us", ADMIT_MEMBERS, { 0 }, "members", NULL },
    { "a member whom we dial", ADMIT_MEMBERS, { SERVER("a.fed.example") }, "members", NULL },
    { "self-signed", ADMIT_MEMBERS, { .issuer = SELF }, NULL, "untrusted" },
    { "self-signed, loose", LOOSE_MEMBERS, { .issuer = SELF }, NULL, "untrusted" },
    { "a root of the same name", ADMIT_MEMBERS, { .issuer = MIMIC }, NULL, "untrusted" },
    { "a root of the same name, loose", LOOSE_MEMBERS, { .issuer = MIMIC }, NULL, "untrusted" },
    { "a bare root of the same name",
      LOOSE_MEMBERS,
      { .issuer = BARE_MIMIC, .spec.bare = true },
      NULL,
      "bad-signature" },
    { "a signature with one wrong bit", ADMIT_MEMBERS, { .damaged = true }, NULL, "bad-signature" },
    { "expired", ADMIT_MEMBERS, { .spec.ends_in_seconds = -60 }, NULL, "expired" },
    { "expired, loose", LOOSE_MEMBERS, { .spec.ends_in_seconds = -60 }, NULL, "expired" },
    { "not yet valid", ADMIT_MEMBERS, { .spec.starts_in_seconds = 3600 }, NULL, "not-yet-valid" },
    { "an expired intermediate", ADMIT_MEMBERS, { .issuer = EXPIRED }, NULL, "expired" },
    { "below an intermediate", ADMIT_MEMBERS, { .issuer = INTERMEDIATE }, "members", NULL },
    { "below two intermediates", ADMIT_MEMBERS, { .issuer = SECOND }, "members", NULL },
    { "the intermediate is not sent",
      ADMIT_MEMBERS,
      { .issuer = INTERMEDIATE, .keeps_intermediates = true },
      NULL,
      "untrusted" },
    { "a node issued it", ADMIT_MEMBERS, { .issuer = NOT_A_CA }, NULL, "not-a-ca" },
    { "a node issued it, loose", LOOSE_MEMBERS, { .issuer = NOT_A_CA }, NULL, "not-a-ca" },
    { "a path longer than its CA allows",
      ADMIT_MEMBERS,
      { .issuer = TOO_DEEP },
      NULL,
      "chain-invalid" },
    { "signed with SHA-1", ADMIT_MEMBERS, { .sha1 = true }, NULL, "weak-key" },
    { "signed with SHA-1, loose", LOOSE_MEMBERS, { .sha1 = true }, NULL, "weak-key" },
    { "an intermediate signed with SHA-1", ADMIT_MEMBERS, { .issuer = WEAK_CA }, NULL, "weak-key" },
    { "RSA-1024", ADMIT_MEMBERS, { .key = "RSA-1024" }, NULL, "weak-key" },
    { "RSA-1024, loose", LOOSE_MEMBERS, { .key = "RSA-1024" }, NULL, "weak-key" },
    { "RSA-2048", ADMIT_MEMBERS, { .key = "RSA-2048" }, "members", NULL },
    { "Ed25519", ADMIT_MEMBERS, { .key = "Ed25519" }, "members", NULL },
    { "an unknown critical extension",
      ADMIT_MEMBERS,
      { .spec.extra = "1.2.3.4=critical,DER:0500" },
      NULL,
      "chain-invalid" },
    /* the role's extended key usage */
    { "a server's certificate dials us",
      ADMIT_MEMBERS,
      { .spec.eku = "serverAuth" },
      NULL,
      "wrong-purpose" },
    { "a server's certificate dials us, loose",
      LOOSE_MEMBERS,
      { .spec.eku = "serverAuth" },
      NULL,
      "wrong-purpose" },
    { "a client's certificate serves",
      ADMIT_MEMBERS,
      { SERVER("a.fed.example"), .spec.eku = "clientAuth" },
      NULL,
      "wrong-purpose" },
    { "a client's certificate dials us",
      ADMIT_MEMBERS,
      { .spec.eku = "clientAuth" },
      "members",
      NULL },
    { "no usage, client", ADMIT_MEMBERS, { .spec.eku = "" }, NULL, "wrong-purpose" },
    { "no usage, server",
      ADMIT_MEMBERS,
      { SERVER("a.fed.example"), .spec.eku = "" },
      NULL,
      "wrong-purpose" },
    { "no usage, loose, client", LOOSE_MEMBERS, { .spec.eku = "" }, "members", NULL },
    { "no usage, loose, server",
      LOOSE_MEMBERS,
      { SERVER("a.fed.example"), .spec.eku = "" },
      "members",
      NULL },
    { "any usage is none",
      ADMIT_MEMBERS,
      { .spec.eku = "anyExtendedKeyUsage" },
      NULL,
      "wrong-purpose" },
    { "another usage, loose", LOOSE_MEMBERS, { .spec.eku = "codeSigning" }, NULL, "wrong-purpose" },
    { "a key that may not sign",
      ADMIT_MEMBERS,
      { .spec.key_usage = "critical,keyEncipherment" },
      NULL,
      "wrong-purpose" },
    { "an intermediate for clients, client",
      ADMIT_MEMBERS,
      { .issuer = CLIENT_CA },
      "members",
      NULL },
    { "an intermediate for clients, server",
      ADMIT_MEMBERS,
      { SERVER("a.fed.example"), .issuer = CLIENT_CA },
      NULL,
      "wrong-purpose" },
    /* P2PFL: one subject for all, no key identifiers */
    { "P2PFL's client, loose",
      LOOSE_P2PFL,
      { .issuer = P2PFL, .key = "RSA-2048", .spec = P2PFL_SPEC },
      "all-certified",
      NULL },
    { "P2PFL's server, loose",
      LOOSE_P2PFL,
      { SERVER("127.0.0.1"), .issuer = P2PFL, .key = "RSA-2048", .spec = P2PFL_SPEC },
      "all-certified",
      NULL },
    { "P2PFL's leaf alone, loose",
      LOOSE_P2PFL,
      { .issuer = P2PFL, .keeps_intermediates = true, .key = "P-256", .spec = P2PFL_SPEC },
      "all-certified",
      NULL },
    { "P2PFL's server under another address",
      LOOSE_P2PFL,
      { SERVER("127.0.0.2"), .issuer = P2PFL, .key = "RSA-2048", .spec = P2PFL_SPEC },
      NULL,
      "name-mismatch" },
    { "P2PFL's client, strict",
      { .root = P2PFL, .all_certified = true },
      { .issuer = P2PFL, .key = "RSA-2048", .spec = P2PFL_SPEC },
      NULL,
      "chain-invalid" },
    { "really self-signed under P2PFL's name",
      LOOSE_P2PFL,
      { .issuer = SELF, .spec = P2PFL_SPEC },
      NULL,
      "untrusted" },
    { "another CA under P2PFL's name",
      LOOSE_P2PFL,
      { .issuer = P2PFL_NEW, .key = "RSA-2048", .spec = P2PFL_SPEC },
      NULL,
      "bad-signature" },
    { "P2PFL's, one wrong bit",
      LOOSE_P2PFL,
      { .issuer = P2PFL, .damaged = true, .spec = P2PFL_SPEC },
      NULL,
      "bad-signature" },
    { "P2PFL's, expired",
      LOOSE_P2PFL,
      { .issuer = P2PFL,
        .spec = { .cn = "My CA", .eku = "", .bare = true, .ends_in_seconds = -60 } },
      NULL,
      "expired" },
    { "two roots of one name: the old",
      { .loose = true, .root = P2PFL_NEW, .all_certified = true },
      { .issuer = P2PFL, .spec = P2PFL_SPEC },
      "all-certified",
      NULL },
    { "two roots of one name: the new",
      { .loose = true, .root = P2PFL_NEW, .all_certified = true },
      { .issuer = P2PFL_NEW, .spec = P2PFL_SPEC },
      "all-certified",
      NULL },
    /* rules */
    { "an empty admit admits nobody", { .loose = false }, { 0 }, NULL, "no-rule" },
    { "no rule matches",
      ADMIT_MEMBERS,
      { .spec.san = "URI:spiffe://fed.example/x" },
      NULL,
      "no-rule" },
    { "no SAN, no URI rule", ADMIT_MEMBERS, { .spec.san = "RID:1.2.3" }, NULL, "no-rule" },
    { "all-certified admits", { .all_certified = true }, { 0 }, "all-certified", NULL },
    { "all-certified still wants a chain",
      { .all_certified = true },
      { .issuer = MIMIC },
      NULL,
      "untrusted" },
    { "deny wins over admit",
      { .rules = { { false, "members", BOTH, RULE_URI, MEMBERS },
                   { true, "thief", BOTH, RULE_CN, "node" } } },
      { 0 },
      "thief",
      "denied" },
    { "deny wins over all-certified",
      { .all_certified = true, .rules = { { true, "thief", BOTH, RULE_URI, NODE } } },
      { 0 },
      "thief",
      "denied" },
    { "deny of another direction does not apply",
      { .all_certified = true, .rules = { { true, "thief", OUT, RULE_URI, NODE } } },
      { 0 },
      "all-certified",
      NULL },
    { "deny takes the plain spelling",
      { .all_certified = true,
        .rules = { { .deny = true,
                     .name = "guests",
                     .directions = BOTH,
                     .member = RULE_URI,
                     .value = "spiffe://f/guest/*" } } },
      { .spec.san = "URI:spiffe://f/guest/a" },
      "guests",
      "denied" },
    { "percent-encoding does not get round deny",
      { .all_certified = true,
        .rules = { { .deny = true,
                     .name = "guests",
                     .directions = BOTH,
                     .member = RULE_URI,
                     .value = "spiffe://f/guest/*" } } },
      { .spec.san = "URI:spiffe://f/guest/%61" },
      NULL,
      "malformed" },
    { "a query does not get round deny",
      { .all_certified = true,
        .rules = { { .deny = true,
                     .name = "guests",
                     .directions = BOTH,
                     .member = RULE_URI,
                     .value = "spiffe://f/guest/*" } } },
      { .spec.san = "URI:spiffe://f/guest/a?x=1" },
      NULL,
      "malformed" },
    { "an empty segment does not get round deny",
      { .all_certified = true,
        .rules = { { .deny = true,
                     .name = "guests",
                     .directions = BOTH,
                     .member = RULE_URI,
                     .value = "spiffe://f/guest/*" } } },
      { .spec.san = "URI:spiffe://f/guest/" },
      NULL,
      "malformed" },
    { "an upper-case scheme does not get round deny",
      { .all_certified = true,
        .rules = { { .deny = true,
                     .name = "guests",
                     .directions = BOTH,
                     .member = RULE_URI,
                     .value = "spiffe://f/guest/*" } } },
      { .spec.san = "URI:SPIFFE://f/guest/a" },
      NULL,
      "malformed" },
    { "an upper-case authority does not get round deny",
      { .all_certified = true,
        .rules = { { .deny = true,
                     .name = "guests",
                     .directions = BOTH,
                     .member = RULE_URI,
                     .value = "spiffe://f/guest/*" } } },
      { .spec.san = "URI:spiffe://F/guest/a" },
      NULL,
      "malformed" },
    { "a literal star does not get round deny",
      { .all_certified = true,
        .rules = { { .deny = true,
                     .name = "guests",
                     .directions = BOTH,
                     .member = RULE_URI,
                     .value = "spiffe://f/guest/*" } } },
      { .spec.san = "URI:spiffe://f/guest/*" },
      NULL,
      "malformed" },
    { "a trailing dot does not get round deny",
      { .all_certified = true,
        .rules = { { .deny = true,
                     .name = "guests",
                     .directions = BOTH,
                     .member = RULE_DNS,
                     .value = "*.guest.example" } } },
      { .spec.san = "DNS:a.guest.example." },
      NULL,
      "malformed" },
    { "a wildcard certificate does not get round deny",
      { .all_certified = true,
        .rules = { { .deny = true,
                     .name = "guests",
                     .directions = BOTH,
                     .member = RULE_DNS,
                     .value = "*.guest.example" } } },
      { .spec.san = "DNS:*.guest.example" },
      NULL,
      "malformed" },
    { "odd names of a kind that no deny rule matches pass",
      { .all_certified = true,
        .rules = { { .deny = true,
                     .name = "guests",
                     .directions = BOTH,
                     .member = RULE_DNS,
                     .value = "*.guest.example" } } },
      { .spec.san = "URI:spiffe://f/guest/%61" },
      "all-certified",
      NULL },
    { "a bad chain is told before a deny rule",
      { .all_certified = true, .rules = { { true, "thief", BOTH, RULE_URI, NODE } } },
      { .issuer = SELF },
      NULL,
      "untrusted" },
    { "an outbound rule does not admit inbound",
      { .rules = { { false, "servers", OUT, RULE_URI, MEMBERS } } },
      { 0 },
      NULL,
      "no-rule" },
    { "an inbound rule does not admit outbound",
      { .rules = { { false, "clients", IN, RULE_URI, MEMBERS } } },
      { SERVER("a.fed.example") },
      NULL,
      "no-rule" },
    { "the first rule in the document is named",
      { .rules = { { false, "first", BOTH, RULE_CN, "node" },
                   { false, "second", BOTH, RULE_URI, NODE } } },
      { 0 },
      "first",
      NULL },
    /* the server's name */
    { "another host", ADMIT_MEMBERS, { SERVER("b.fed.example") }, NULL, "name-mismatch" },
    { "case of a host does not count",
      ADMIT_MEMBERS,
      { SERVER("A.Fed.Example") },
      "members",
      NULL },
    { "no target", ADMIT_MEMBERS, { .role = OUT }, NULL, "name-mismatch" },
    { "an empty target", ADMIT_MEMBERS, { SERVER("") }, NULL, "name-mismatch" },
    { "a leading dot asks for no suffix",
      ADMIT_MEMBERS,
      { SERVER(".fed.example") },
      NULL,
      "name-mismatch" },
    { "a common name is no host",
      ADMIT_MEMBERS,
      { SERVER("node"), .spec.san = "URI:" NODE },
      NULL,
      "name-mismatch" },
    { "a wildcard takes a whole label",
      ADMIT_MEMBERS,
      { SERVER("x.fed.example"), .spec.san = "URI:" NODE ",DNS:*.fed.example" },
      "members",
      NULL },
    { "a wildcard takes one label",
      ADMIT_MEMBERS,
      { SERVER("x.y.fed.example"), .spec.san = "URI:" NODE ",DNS:*.fed.example" },
      NULL,
      "name-mismatch" },
    { "IPv4", ADMIT_MEMBERS, { SERVER("10.0.0.1") }, "members", NULL },
    { "another IPv4", ADMIT_MEMBERS, { SERVER("10.0.0.2") }, NULL, "name-mismatch" },
    { "an address as a DNS name is no address",
      ADMIT_MEMBERS,
      { SERVER("10.0.0.9"), .spec.san = "URI:" NODE ",DNS:10.0.0.9" },
      NULL,
      "name-mismatch" },
    { "IPv6", ADMIT_MEMBERS, { SERVER("2001:db8::1") }, "members", NULL },
    { "IPv6 in a form that gRPC refuses",
      ADMIT_MEMBERS,
      { SERVER("2001:db8:0::1") },
      NULL,
      "name-mismatch" },
    { "IPv6 in brackets", ADMIT_MEMBERS, { SERVER("[2001:db8::1]") }, "members", NULL },
    { "another IPv6", ADMIT_MEMBERS, { SERVER("[2001:db8::2]") }, NULL, "name-mismatch" },
    { "IPv6 with a zone", ADMIT_MEMBERS, { SERVER("[2001:db8::1%eth0]") }, "members", NULL },
    { "IPv4 in brackets", ADMIT_MEMBERS, { SERVER("[10.0.0.1]") }, NULL, "name-mismatch" },
    { "a control byte in the target", ADMIT_MEMBERS, { SERVER("a\n.fed") }, NULL, "name-mismatch" },
    { "the target does not matter inbound",
      ADMIT_MEMBERS,
      { .target = "b.fed.example" },
      "members",
      NULL },
    { "all-certified still wants the name",
      { .all_certified = true },
      { SERVER("b.fed.example") },
      NULL,
      "name-mismatch" },
    /* server_name "rule" */
    { "rule mode: the rule names whom we meant",
      { .rule_mode = true, .rules = { { false, "members", OUT, RULE_URI, MEMBERS } } },
      { SERVER("203.0.113.7") },
      "members",
      NULL },
    { "rule mode: no target is needed",
      { .rule_mode = true, .rules = { { false, "members", OUT, RULE_URI, MEMBERS } } },
      { .role = OUT },
      "members",
      NULL },
    { "rule mode: a rule without identity is passed over",
      { .rule_mode = true,
        .rules = { { false, "named", BOTH, RULE_CN, "node" },
                   { false, "members", OUT, RULE_URI, MEMBERS } } },
      { SERVER("203.0.113.7") },
      "members",
      NULL },
    { "rule mode: a rule without identity does not suffice",
      { .rule_mode = true,
        .rules = { { false, "named", BOTH, RULE_CN, "node" },
                   { false, "other", OUT, RULE_URI, "spiffe://fed.example/x" } } },
      { SERVER("a.fed.example") },
      NULL,
      "no-rule" },
    { "rule mode: an inbound peer needs no identity",
      { .rule_mode = true,
        .rules = { { false, "named", BOTH, RULE_CN, "node" },
                   { false, "other", OUT, RULE_URI, "spiffe://fed.example/x" } } },
      { 0 },
      "named",
      NULL },
};

static size_t count_rules(const struct setting *setting)
{
    size_t len = setting->all_certified ? 1 : 0;
    for (size_t i = 0; i < ARRAY_LEN(setting->rules) && setting->rules[i].name != NULL; i++) {
        len++;
    }
    return len;
}

/* The explanation says what the verdict says, and exactly the rules that could decide. */
static void check_explanation(const struct row *row, struct policy *policy, const struct peer *peer,
                              const nk_verdict *verdict)
{
    struct opinion opinion;
    memset(&opinion, 0xff, sizeof(opinion));
    char *text = policy_explain(policy, peer, true, &opinion);
    assert_non_null(text);
    assert_int_equal(opinion.verdict.decision, verdict->decision);
    assert_string_equal(opinion.verdict.rule, verdict->rule);
    assert_string_equal(opinion.verdict.reason, verdict->reason);
    assert_string_equal(opinion.verdict.detail, verdict->detail);
    json_error_t unread;
    json_t *document = json_loads(text, 0, &unread);
    free(text);
    assert_non_null(document);
    assert_string_equal(json_string_value(json_object_get(document, "decision")),
                        row->reason == NULL ? "allow" : "deny");
    assert_string_equal(json_string_value(json_object_get(document, "reason")), verdict->reason);
    json_t *rules = json_object_get(document, "rules");
    assert_int_equal(json_array_size(rules), count_rules(&row->setting));
    bool found = false;
    size_t i;
    json_t *rule;
    json_array_foreach(rules, i, rule)
    {
        bool matches = json_is_true(json_object_get(rule, "matches"));
        bool silent = json_string_length(json_object_get(rule, "why")) == 0;
        assert_int_equal(matches, silent);
        found = found || (matches && strcmp(json_string_value(json_object_get(rule, "name")),
                                            verdict->rule) == 0);
    }
    assert_int_equal(found, row->rule != NULL);
    json_decref(document);
}

static void check_row(void **state)
{
    const struct row *row = *state;
    struct policy *policy = NULL;
    assert_int_equal(make_policy(&row->setting, &policy, NULL), NK_OK);
    struct peer *peer = show_peer(&row->peer);
    const nk_peer shown = peer->facts;
    const struct traits traits = peer->traits;
    nk_verdict verdict;
    memset(&verdict, 0xff, sizeof(verdict)); /* whatever the caller left in it */

    judge_peer(policy, peer, &verdict);
    print_message("%s: %s\n", verdict.reason, verdict.detail);
    assert_string_equal(verdict.reason, row->reason != NULL ? row->reason : "");
    assert_int_equal(verdict.decision, row->reason != NULL ? NK_DENY : NK_ALLOW);
    assert_string_equal(verdict.rule, row->rule != NULL ? row->rule : "");
    assert_true(verdict.detail[0] != '\0');
    for (const char *c = verdict.detail; *c != '\0'; c++) {
        assert_true(*c >= ' ' && *c < 0x7f);
    }
    assert_memory_equal(&peer->facts, &shown, sizeof(shown)); /* judging changes no fact */
    assert_memory_equal(&peer->traits, &traits, sizeof(traits));
    assert_int_equal(ERR_peek_error(), 0);
    check_explanation(row, policy, peer, &verdict);
    peer_free(peer);
    policy_unref(policy);
}

static void reasons_have_labels_that_fit(void **state)
{
    (void)state;
    for (int i = 0; i < REASONS_LEN; i++) {
        const char *label = reason_label((enum reason)i);
        assert_in_range(strlen(label), 1, NK_REASON_BYTES - 1);
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(label, reason_label((enum reason)j));
        }
    }
    assert_string_equal(reason_label(REASONS_LEN), "internal");
}

int main(void)
{
    ROWS_OF(rows, check_row)
    ROWS_TEST(reasons_have_labels_that_fit);
    return ROWS_RUN("policy_judge", policy_scene_set_up, policy_scene_tear_down);
}
