/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/policy.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <openssl/err.h>

#include "chain/reasons.h"
#include "fixtures/authority.h"
#include "fixtures/check.h"

#define NODE "spiffe://fed.example/node/a"
#define MEMBERS "spiffe://fed.example/node/*"
#define SAN "URI:" NODE ",DNS:a.fed.example,IP:10.0.0.1,IP:2001:db8::1"
#define IN NK_PEER_IS_CLIENT
#define OUT NK_PEER_IS_SERVER
#define BOTH (NK_PEER_IS_CLIENT | NK_PEER_IS_SERVER)
#define DAY 86400L
#define THREADS 8
#define JUDGEMENTS 50

enum issuer {
    ROOT,
    MIMIC,      /* another root of the same name */
    BARE_MIMIC, /* and without key identifiers */
    INTERMEDIATE,
    SECOND,    /* below INTERMEDIATE */
    CROWDED,   /* an intermediate with pathlen:0 */
    TOO_DEEP,  /* below CROWDED */
    EXPIRED,   /* an intermediate */
    NOT_A_CA,  /* issued by ROOT with CA:FALSE */
    CLIENT_CA, /* an intermediate for clientAuth only */
    WEAK_CA,   /* an intermediate signed with SHA-1 */
    P2PFL,     /* a root as P2PFL's script makes it */
    P2PFL_NEW, /* the next one, of the same name */
    ISSUERS,
    SELF,
};

static struct authority issuers[ISSUERS];
static EVP_PKEY *leaf_key;

/* --- a policy from a row --- */

struct rule_spec {
    bool deny;
    const char *name; /* NULL ends */
    unsigned directions;
    enum rule_member member;
    const char *value;
};

struct setting {
    bool loose; /* strict false */
    bool rule_mode;
    bool all_certified;
    enum issuer root; /* ROOT, P2PFL, or P2PFL_NEW for both of P2PFL's */
    struct rule_spec rules[4];
};

static char log_text[4096];

static void keep_log(void *host_data, int32_t level, const char *line)
{
    (void)host_data, (void)level;
    size_t used = strlen(log_text);
    snprintf(log_text + used, sizeof(log_text) - used, "%s\n", line);
}

static const nk_host host = { .struct_size = sizeof(host), .log = keep_log };

static void add_rules(const struct rule_spec *rules, size_t len, struct config *config)
{
    for (size_t i = 0; i < len && rules[i].name != NULL; i++) {
        struct rule_list *list = rules[i].deny ? &config->deny : &config->admit;
        assert_int_equal(rule_list_append(list, rules[i].name, rules[i].directions, NULL), NK_OK);
        assert_int_equal(rule_list_add(list, rules[i].member, rules[i].value, NULL), NK_OK);
    }
}

/* With a pool of its own, which the policy keeps. */
static nk_status new_policy(struct config *config, struct policy **ret_policy, nk_error *err)
{
    struct policy_memory memory;
    assert_int_equal(policy_memory_open(NULL, &memory, err), NK_OK);
    nk_status status = policy_new(config, &memory, &host, ret_policy, err);
    policy_memory_clear(&memory);
    return status;
}

static nk_status make_policy(const struct setting *setting, struct policy **ret_policy,
                             nk_error *err)
{
    char *roots[2] = { (char *)path_of("%s/root.pem", scratch_folder()), NULL };
    struct config config = {
        .roots = roots,
        .roots_len = 1,
        .strict = !setting->loose,
        .server_name = setting->rule_mode ? SERVER_NAME_RULE : SERVER_NAME_TARGET,
        .all_certified = setting->all_certified,
    };
    if (setting->root == P2PFL || setting->root == P2PFL_NEW) {
        roots[0] = (char *)path_of("%s/p2pfl.pem", scratch_folder());
    }
    if (setting->root == P2PFL_NEW) {
        roots[config.roots_len++] = (char *)path_of("%s/p2pfl-new.pem", scratch_folder());
    }
    add_rules(setting->rules, ARRAY_LEN(setting->rules), &config);
    log_text[0] = '\0';
    nk_status status = new_policy(&config, ret_policy, err);
    rule_list_clear(&config.admit);
    rule_list_clear(&config.deny);
    return status;
}

/* The verdict of the whole opinion, which begins as noise: all of it must be written. */
static void judge(struct policy *policy, struct peer *peer, nk_verdict *verdict)
{
    struct opinion opinion;
    memset(&opinion, 0xff, sizeof(opinion));
    policy_judge(policy, peer, &opinion);
    *verdict = opinion.verdict;
}

/* --- a peer from a row --- */

struct showing {
    enum issuer issuer;
    bool keeps_intermediates; /* does not send them */
    bool sha1;
    bool damaged;  /* one bit of the signature flipped */
    uint32_t role; /* 0: client */
    const char *target;
    const char *key; /* NULL: P-256 */
    struct certificate_spec spec;
};

static X509 *damage(X509 *certificate)
{
    unsigned char *der = NULL;
    int len = i2d_X509(certificate, &der);
    assert_true(len > 0);
    der[len - 1] ^= 1;
    const unsigned char *end = der;
    X509 *damaged = d2i_X509(NULL, &end, len);
    assert_non_null(damaged);
    OPENSSL_free(der);
    X509_free(certificate);
    return damaged;
}

static X509 *issue(const struct showing *showing)
{
    struct certificate_spec spec = showing->spec;
    EVP_PKEY *key = showing->key != NULL ? software_key(showing->key) : leaf_key;
    spec.san = spec.san == NULL ? SAN : spec.san;
    spec.digest = showing->sha1 ? EVP_sha1() : NULL;
    X509 *leaf =
        authority_issue(showing->issuer == SELF ? NULL : &issuers[showing->issuer], key, &spec);
    if (key != leaf_key) {
        EVP_PKEY_free(key);
    }
    return showing->damaged ? damage(leaf) : leaf;
}

static char *chain_of(enum issuer issuer)
{
    switch (issuer) {
    case SECOND:
        return pem_of(issuers[SECOND].certificate, issuers[INTERMEDIATE].certificate, NULL);
    case TOO_DEEP:
        return pem_of(issuers[TOO_DEEP].certificate, issuers[CROWDED].certificate, NULL);
    case SELF:
        return strdup("");
    default:
        return pem_of(issuers[issuer].certificate, NULL);
    }
}

static struct peer *show(const struct showing *showing)
{
    X509 *leaf = issue(showing);
    char *leaf_pem = pem_of(leaf, NULL);
    char *chain_pem = showing->keeps_intermediates ? NULL : chain_of(showing->issuer);
    struct peer *peer = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    if (peer_read(showing->role == 0 ? IN : showing->role, showing->target, leaf_pem, chain_pem,
                  &peer, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    free(leaf_pem);
    free(chain_pem);
    X509_free(leaf);
    return peer;
}

/* --- verdicts --- */

#define ADMIT_MEMBERS                                                                              \
    {                                                                                              \
        .rules = { { false, "members", BOTH, RULE_URI, MEMBERS } }                                 \
    }
#define LOOSE_MEMBERS                                                                              \
    {                                                                                              \
        .loose = true, .rules = { { false, "members", BOTH, RULE_URI, MEMBERS } }                  \
    }
#define LOOSE_P2PFL                                                                                \
    {                                                                                              \
        .loose = true, .root = P2PFL, .all_certified = true                                        \
    }
#define P2PFL_SPEC                                                                                 \
    {                                                                                              \
        .cn = "My CA", .san = "IP:127.0.0.1,IP:::1", .eku = "", .key_usage = "",                   \
        .basic_constraints = "", .bare = true                                                      \
    }
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
    { "IPv6", ADMIT_MEMBERS, { SERVER("2001:db8:0::1") }, "members", NULL },
    { "IPv6 in brackets", ADMIT_MEMBERS, { SERVER("[2001:db8::1]") }, "members", NULL },
    { "another IPv6", ADMIT_MEMBERS, { SERVER("[2001:db8::2]") }, NULL, "name-mismatch" },
    { "IPv6 with a zone", ADMIT_MEMBERS, { SERVER("[2001:db8::1%eth0]") }, NULL, "name-mismatch" },
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
    struct peer *peer = show(&row->peer);
    const nk_peer shown = peer->facts;
    const struct traits traits = peer->traits;
    nk_verdict verdict;
    memset(&verdict, 0xff, sizeof(verdict)); /* whatever the caller left in it */

    judge(policy, peer, &verdict);
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

/* --- the pool --- */

static const char *reason_for(struct policy *policy, const struct showing *showing)
{
    static char reason[NK_REASON_BYTES];
    struct peer *peer = show(showing);
    nk_verdict verdict = { .struct_size = sizeof(verdict) };
    judge(policy, peer, &verdict);
    snprintf(reason, sizeof(reason), "%s", verdict.reason);
    peer_free(peer);
    return reason;
}

static void an_intermediate_seen_once_is_known(void **state)
{
    (void)state;
    struct policy *policy = NULL;
    const struct setting all = { .all_certified = true };
    const struct showing bare = { .issuer = SECOND, .keeps_intermediates = true };
    const struct showing whole = { .issuer = SECOND };
    assert_int_equal(make_policy(&all, &policy, NULL), NK_OK);
    assert_string_equal(reason_for(policy, &bare), "untrusted");
    assert_string_equal(reason_for(policy, &whole), "");
    assert_string_equal(reason_for(policy, &bare), "");
    policy_unref(policy);
}

static void strangers_do_not_enter_the_pool(void **state)
{
    (void)state;
    struct policy *policy = NULL;
    const struct setting all = { .all_certified = true };
    assert_int_equal(make_policy(&all, &policy, NULL), NK_OK);
    struct authority stranger = authority_make(&issuers[MIMIC], "stranger", NULL);
    X509 *leaf = authority_issue(&stranger, leaf_key, NULL);
    char *pem = pem_of(leaf, stranger.certificate, issuers[MIMIC].certificate, NULL);
    struct peer *peer = NULL;
    nk_verdict verdict = { .struct_size = sizeof(verdict) };
    assert_int_equal(peer_read(IN, NULL, pem, NULL, &peer, NULL), NK_OK);
    judge(policy, peer, &verdict);
    assert_string_equal(verdict.reason, "untrusted");
    const struct showing good = { .issuer = INTERMEDIATE };
    assert_string_equal(reason_for(policy, &good), "");
    peer_free(peer);
    free(pem);
    X509_free(leaf);
    authority_free(&stranger);
    policy_unref(policy);
}

/* A member that is denied may own an intermediate CA: what it shows must not be tried for others.
 */
static void refused_peers_do_not_enter_the_pool(void **state)
{
    (void)state;
    struct policy *policy = NULL;
    const struct setting none = {
        .rules = { { .name = "nobody", .directions = BOTH, .member = RULE_CN, .value = "nobody" } }
    };
    const struct showing bare = { .issuer = SECOND, .keeps_intermediates = true };
    const struct showing whole = { .issuer = SECOND };
    assert_int_equal(make_policy(&none, &policy, NULL), NK_OK);
    assert_string_equal(reason_for(policy, &whole), "no-rule");
    assert_string_equal(reason_for(policy, &bare), "untrusted");
    policy_unref(policy);
}

/* Somebody admitted brought a CA of the same name into the pool; the peer's own chain is whole. */
static void a_mimic_in_the_pool_harms_no_whole_chain(void **state)
{
    (void)state;
    struct policy *policy = NULL;
    const struct setting all = { .all_certified = true, .loose = true };
    const struct certificate_spec bare = { .bare = true };
    struct authority honest = authority_make(&issuers[ROOT], "site", &bare);
    /* OpenSSL prefers the candidate that is valid longest. */
    const struct certificate_spec lasting = { .bare = true, .ends_in_seconds = 864000 };
    struct authority mimic = authority_make(&issuers[ROOT], "site", &lasting);
    X509 *leaves[] = { authority_issue(&mimic, leaf_key, &bare),
                       authority_issue(&honest, leaf_key, &bare) };
    X509 *cas[] = { mimic.certificate, honest.certificate };
    assert_int_equal(make_policy(&all, &policy, NULL), NK_OK);
    for (size_t i = 0; i < ARRAY_LEN(leaves); i++) {
        char *pem = pem_of(leaves[i], cas[i], NULL);
        struct peer *peer = NULL;
        nk_verdict verdict = { .struct_size = sizeof(verdict) };
        assert_int_equal(peer_read(IN, NULL, pem, NULL, &peer, NULL), NK_OK);
        judge(policy, peer, &verdict);
        assert_string_equal(verdict.reason, "");
        peer_free(peer);
        free(pem);
        X509_free(leaves[i]);
    }
    authority_free(&honest);
    authority_free(&mimic);
    policy_unref(policy);
}

static void the_pool_is_bounded(void **state)
{
    (void)state;
    struct policy *policy = NULL;
    const struct setting all = { .all_certified = true };
    assert_int_equal(make_policy(&all, &policy, NULL), NK_OK);
    for (int i = 0; i < 70; i++) { /* six more than it holds */
        char cn[16];
        snprintf(cn, sizeof(cn), "ca %d", i);
        struct authority ca = authority_make(&issuers[ROOT], cn, NULL);
        X509 *leaf = authority_issue(&ca, leaf_key, NULL);
        char *leaf_pem = pem_of(leaf, NULL);
        char *ca_pem = pem_of(ca.certificate, NULL);
        for (int known = 0; known <= 1; known++) {
            struct peer *peer = NULL;
            nk_verdict verdict = { .struct_size = sizeof(verdict) };
            assert_int_equal(peer_read(IN, NULL, leaf_pem, known == 0 ? ca_pem : NULL, &peer, NULL),
                             NK_OK);
            judge(policy, peer, &verdict);
            assert_int_equal(verdict.decision, NK_ALLOW);
            peer_free(peer);
        }
        free(leaf_pem);
        free(ca_pem);
        X509_free(leaf);
        authority_free(&ca);
    }
    policy_unref(policy);
}

struct worker {
    pthread_t thread;
    struct policy *policy;
    char *good;
    char *bad;
    int wrong;
};

static void *judge_often(void *data)
{
    struct worker *worker = data;
    for (int i = 0; i < JUDGEMENTS; i++) {
        bool good = i % 2 == 0;
        struct peer *peer = NULL;
        nk_verdict verdict = { .struct_size = sizeof(verdict) };
        if (peer_read(IN, NULL, good ? worker->good : worker->bad, NULL, &peer, NULL) != NK_OK) {
            worker->wrong++;
            continue;
        }
        judge(worker->policy, peer, &verdict);
        worker->wrong += (verdict.decision == NK_ALLOW) != good;
        peer_free(peer);
    }
    policy_unref(worker->policy);
    return NULL;
}

static void threads_judge_at_once(void **state)
{
    (void)state;
    struct policy *policy = NULL;
    const struct setting all = { .all_certified = true };
    assert_int_equal(make_policy(&all, &policy, NULL), NK_OK);
    X509 *leaf = issue(&(struct showing){ .issuer = SECOND });
    X509 *stranger = issue(&(struct showing){ .issuer = MIMIC });
    char *good = pem_of(leaf, issuers[SECOND].certificate, issuers[INTERMEDIATE].certificate, NULL);
    char *bad = pem_of(stranger, NULL);
    struct worker workers[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){ .policy = policy_ref(policy), .good = good, .bad = bad };
        assert_int_equal(pthread_create(&workers[i].thread, NULL, judge_often, &workers[i]), 0);
    }
    policy_unref(policy); /* theirs keep it */
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_int_equal(workers[i].wrong, 0);
    }
    free(good);
    free(bad);
    X509_free(leaf);
    X509_free(stranger);
}

/* --- opening --- */

static void weak_settings_are_logged(void **state)
{
    (void)state;
    struct policy *policy = NULL;
    const struct setting weak = LOOSE_P2PFL;
    assert_int_equal(make_policy(&weak, &policy, NULL), NK_OK);
    assert_non_null(strstr(log_text, "strict is false"));
    assert_non_null(strstr(log_text, "all-certified"));
    assert_non_null(strstr(log_text, "no federation.crls"));
    assert_true(policy_checks_call_host(policy));
    policy_unref(policy);

    const struct setting good = ADMIT_MEMBERS;
    assert_int_equal(make_policy(&good, &policy, NULL), NK_OK);
    assert_null(strstr(log_text, "strict is false"));
    assert_null(strstr(log_text, "all-certified"));
    policy_unref(policy);
}

static void rule_mode_wants_a_rule_that_names_servers(void **state)
{
    (void)state;
    const struct setting without[] = {
        { .rule_mode = true, .rules = { { false, "named", BOTH, RULE_CN, "node" } } },
        { .rule_mode = true, .rules = { { false, "clients", IN, RULE_URI, MEMBERS } } },
        { .rule_mode = true, .all_certified = true },
    };
    for (size_t i = 0; i < ARRAY_LEN(without); i++) {
        struct policy *policy = NULL;
        nk_error err = { .struct_size = sizeof(err) };
        assert_int_equal(make_policy(&without[i], &policy, &err), NK_E_CONFIG);
        assert_null(policy);
        assert_non_null(strstr(err.text, "server_name"));
    }
}

enum content {
    A_ROOT,
    TWO_ROOTS,
    A_LEAF,
    AN_INTERMEDIATE,
    A_SELF_SIGNED_LEAF,
    A_ROOT_THAT_MAY_NOT_SIGN,
    A_WEAK_ROOT,
    AN_EXPIRED_ROOT,
    A_KEY,
    TEXT,
    DAMAGED,
    NOTHING,
    A_FOLDER,
};

static const struct root_row {
    const char *name;
    enum content content;
    unsigned mode; /* 0: 0644 */
    bool loose;
    const char *refusal; /* NULL: taken */
    const char *logged;
} roots[] = {
    { "root: taken", A_ROOT, 0, false, NULL, "" },
    { "root: two in a file", TWO_ROOTS, 0, false, NULL, "" },
    { "root: a node's certificate", A_LEAF, 0, false, "is a node's certificate", NULL },
    { "root: an intermediate", AN_INTERMEDIATE, 0, true, "is an intermediate", NULL },
    { "root: self-signed, no CA", A_SELF_SIGNED_LEAF, 0, true, "not a CA", NULL },
    { "root: may not sign", A_ROOT_THAT_MAY_NOT_SIGN, 0, true, "keyCertSign", NULL },
    { "root: weak key", A_WEAK_ROOT, 0, false, "weak key", NULL },
    { "root: weak key, loose", A_WEAK_ROOT, 0, true, NULL, "" },
    { "root: expired is only logged", AN_EXPIRED_ROOT, 0, false, NULL, "has expired" },
    { "root: a private key", A_KEY, 0, true, "PRIVATE KEY", NULL },
    { "root: no PEM", TEXT, 0, true, "no certificate", NULL },
    { "root: damaged", DAMAGED, 0, true, "cannot be read", NULL },
    { "root: missing", NOTHING, 0, true, "No such file", NULL },
    { "root: a folder", A_FOLDER, 0, true, "not a regular file", NULL },
    { "root: everybody may write it", A_ROOT, 0666, true, "chmod", NULL },
};

static char *certificate_text(EVP_PKEY *key, const struct certificate_spec *spec)
{
    X509 *certificate = authority_issue(NULL, key, spec);
    char *text = pem_of(certificate, NULL);
    X509_free(certificate);
    return text;
}

static char *content_of(enum content content)
{
    struct certificate_spec ca = { .cn = "ca",
                                   .basic_constraints = "critical,CA:TRUE",
                                   .key_usage = "critical,keyCertSign",
                                   .eku = "" };
    switch (content) {
    case A_ROOT:
        return pem_of(issuers[ROOT].certificate, NULL);
    case TWO_ROOTS:
        return pem_of(issuers[ROOT].certificate, issuers[MIMIC].certificate, NULL);
    case A_LEAF: {
        X509 *leaf = authority_issue(&issuers[ROOT], leaf_key, NULL);
        char *text = pem_of(leaf, NULL);
        X509_free(leaf);
        return text;
    }
    case AN_INTERMEDIATE:
        return pem_of(issuers[ROOT].certificate, issuers[INTERMEDIATE].certificate, NULL);
    case A_SELF_SIGNED_LEAF:
        return certificate_text(leaf_key, NULL);
    case A_ROOT_THAT_MAY_NOT_SIGN:
        ca.key_usage = "critical,cRLSign";
        return certificate_text(leaf_key, &ca);
    case A_WEAK_ROOT: {
        EVP_PKEY *key = software_key("RSA-1024");
        char *text = certificate_text(key, &ca);
        EVP_PKEY_free(key);
        return text;
    }
    case AN_EXPIRED_ROOT:
        ca.ends_in_seconds = -60;
        return certificate_text(leaf_key, &ca);
    case A_KEY:
        return pem_of_key(leaf_key);
    case DAMAGED:
        return strdup("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    default:
        return strdup("no PEM\n");
    }
}

static void check_root(void **state)
{
    const struct root_row *row = *state;
    char *path = (char *)path_of("%s/candidate.pem", scratch_folder());
    (void)remove(path);
    if (row->content == A_FOLDER) {
        path = (char *)scratch_folder();
    } else if (row->content != NOTHING) {
        char *text = content_of(row->content);
        write_file(path, text, row->mode != 0 ? row->mode : 0644);
        free(text);
    }
    struct config config = { .roots = &path, .roots_len = 1, .strict = !row->loose };
    struct policy *policy = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    log_text[0] = '\0';
    nk_status status = new_policy(&config, &policy, &err);
    print_message("%s\n", err.text);
    assert_int_equal(ERR_peek_error(), 0);
    if (row->refusal == NULL) {
        assert_int_equal(status, NK_OK);
        assert_non_null(strstr(log_text, row->logged));
    } else {
        assert_int_equal(status, NK_E_TRUST);
        assert_null(policy);
        assert_non_null(strstr(err.text, row->refusal));
        assert_non_null(strstr(err.text, path));
    }
    policy_unref(policy);
}

/* --- our own certificate --- */

static const struct ours_row {
    const char *name;
    struct setting setting;
    int role;
    struct showing ours;
    const char *refusal; /* NULL: good */
    const char *logged;
} ours[] = {
    { "ours: good as server", ADMIT_MEMBERS, OUR_SERVER, { 0 }, NULL, "" },
    { "ours: good as client", ADMIT_MEMBERS, OUR_CLIENT, { 0 }, NULL, "" },
    { "ours: below an intermediate", ADMIT_MEMBERS, OUR_SERVER, { .issuer = SECOND }, NULL, "" },
    { "ours: expired",
      ADMIT_MEMBERS,
      OUR_SERVER,
      { .spec.ends_in_seconds = -60 },
      "expired on",
      NULL },
    { "ours: not yet valid",
      ADMIT_MEMBERS,
      OUR_CLIENT,
      { .spec.starts_in_seconds = DAY / 2 },
      "not yet valid",
      NULL },
    { "ours: an issuer has expired",
      ADMIT_MEMBERS,
      OUR_CLIENT,
      { .issuer = EXPIRED },
      "peers would refuse",
      NULL },
    { "ours: another federation",
      ADMIT_MEMBERS,
      OUR_CLIENT,
      { .issuer = MIMIC },
      "no chain to federation.roots",
      NULL },
    { "ours: a client's for the server",
      ADMIT_MEMBERS,
      OUR_SERVER,
      { .spec.eku = "clientAuth" },
      "extendedKeyUsage serverAuth",
      NULL },
    { "ours: no usage, strict",
      ADMIT_MEMBERS,
      OUR_CLIENT,
      { .spec.eku = "" },
      "extendedKeyUsage clientAuth",
      NULL },
    { "ours: no usage, loose",
      LOOSE_MEMBERS,
      OUR_CLIENT,
      { .spec.eku = "" },
      NULL,
      "any member's client certificate serves" },
    { "ours: P2PFL's",
      LOOSE_P2PFL,
      OUR_SERVER,
      { .issuer = P2PFL, .spec = P2PFL_SPEC },
      NULL,
      "no keyUsage" },
};

static void check_ours(void **state)
{
    const struct ours_row *row = *state;
    struct policy *policy = NULL;
    assert_int_equal(make_policy(&row->setting, &policy, NULL), NK_OK);
    struct peer *us = show(&row->ours);
    nk_error err = { .struct_size = sizeof(err) };
    log_text[0] = '\0';
    nk_status status = policy_check_ours(policy, row->role, us->leaf, us->others, &host, &err);
    print_message("%s\n%s", err.text, log_text);
    assert_int_equal(ERR_peek_error(), 0);
    assert_int_equal(status, row->refusal == NULL ? NK_OK : NK_E_IDENTITY);
    if (row->refusal != NULL) {
        assert_non_null(strstr(err.text, row->refusal));
        assert_non_null(strstr(err.text, row->role == OUR_SERVER ? "server" : "client"));
    } else if (row->logged[0] != '\0') {
        assert_non_null(strstr(log_text, row->logged));
    } else {
        assert_string_equal(log_text, "");
    }
    peer_free(us);
    policy_unref(policy);
}

/* --- verdicts in general --- */

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

/* --- the fixture --- */

static void make_issuers(void)
{
    const struct certificate_spec bare = { .bare = true };
    const struct certificate_spec p2pfl = { .bare = true,
                                            .key_usage = "",
                                            .basic_constraints = "CA:TRUE" };
    const struct certificate_spec weak = { .digest = EVP_sha1() };

    issuers[ROOT] = authority_make(NULL, "federation", NULL);
    issuers[MIMIC] = authority_make(NULL, "federation", NULL);
    issuers[BARE_MIMIC] = authority_make(NULL, "federation", &bare);
    issuers[INTERMEDIATE] = authority_make(&issuers[ROOT], "intermediate", NULL);
    issuers[SECOND] = authority_make(&issuers[INTERMEDIATE], "second", NULL);
    issuers[CROWDED] = authority_make(
        &issuers[ROOT], "crowded",
        &(struct certificate_spec){ .basic_constraints = "critical,CA:TRUE,pathlen:0" });
    issuers[TOO_DEEP] = authority_make(&issuers[CROWDED], "too deep", NULL);
    issuers[EXPIRED] = authority_make(&issuers[ROOT], "expired",
                                      &(struct certificate_spec){ .ends_in_seconds = -60 });
    issuers[NOT_A_CA] = authority_make(
        &issuers[ROOT], "node b",
        &(struct certificate_spec){ .basic_constraints = "critical,CA:FALSE", .key_usage = "" });
    issuers[CLIENT_CA] = authority_make(&issuers[ROOT], "clients",
                                        &(struct certificate_spec){ .eku = "clientAuth" });
    issuers[WEAK_CA] = authority_make(&issuers[ROOT], "weak", &weak);
    issuers[P2PFL] = authority_make(NULL, "My CA", &p2pfl);
    issuers[P2PFL_NEW] = authority_make(NULL, "My CA", &p2pfl);
}

static void write_root(enum issuer issuer, const char *file)
{
    char *pem = pem_of(issuers[issuer].certificate, NULL);
    write_file(path_of("%s/%s", scratch_folder(), file), pem, 0644);
    free(pem);
}

static int set_up(void **state)
{
    (void)state;
    leaf_key = software_key("P-256");
    make_issuers();
    write_root(ROOT, "root.pem");
    write_root(P2PFL, "p2pfl.pem");
    write_root(P2PFL_NEW, "p2pfl-new.pem");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < ISSUERS; i++) {
        authority_free(&issuers[i]);
    }
    EVP_PKEY_free(leaf_key);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(an_intermediate_seen_once_is_known),
        cmocka_unit_test(strangers_do_not_enter_the_pool),
        cmocka_unit_test(refused_peers_do_not_enter_the_pool),
        cmocka_unit_test(a_mimic_in_the_pool_harms_no_whole_chain),
        cmocka_unit_test(the_pool_is_bounded),
        cmocka_unit_test(threads_judge_at_once),
        cmocka_unit_test(weak_settings_are_logged),
        cmocka_unit_test(rule_mode_wants_a_rule_that_names_servers),
        cmocka_unit_test(reasons_have_labels_that_fit),
    };
    struct CMUnitTest
        tests[ARRAY_LEN(rows) + ARRAY_LEN(roots) + ARRAY_LEN(ours) + ARRAY_LEN(others)] = { 0 };
    size_t len = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        tests[len++] = (struct CMUnitTest){ rows[i].name, check_row, NULL, NULL, (void *)&rows[i] };
    }
    for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
        tests[len++] =
            (struct CMUnitTest){ roots[i].name, check_root, NULL, NULL, (void *)&roots[i] };
    }
    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        tests[len++] =
            (struct CMUnitTest){ ours[i].name, check_ours, NULL, NULL, (void *)&ours[i] };
    }
    memcpy(tests + len, others, sizeof(others));
    return cmocka_run_group_tests_name("policy_judge", tests, set_up, tear_down);
}
