/* SPDX-License-Identifier: Apache-2.0
 * Every member of rules, from the text of a configuration to the verdict on a certificate: an admit
 * rule with it admits, a deny rule with it denies, and where it does not match, the explanation
 * says so by its name. A member that has no sample here fails, so that none is forgotten. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/auto.h"
#include "base/text.h"
#include "fixtures/authority.h"
#include "fixtures/rows.h"
#include "judge/policy.h"
#include "rules/rule_member_private.h"

#define DAY 86400L
#define PIN_OF_NOBODY "[\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"]"
#define NODE                                                                                       \
    "{\"module\": \"softhsm\", \"key\": \"pkcs11:object=key\", \"certificate\": \"x.pem\", "       \
    "\"pin\": {\"file\": \"pin\"}}"

DEFINE_AUTO(json_t *, json_decref);

/* JSON values of a member. */
static struct sample {
    const char *fits;
    const char *loose; /* fits, too, but is not exact; NULL where all values are */
    const char *misses;
} samples[RULE_MEMBERS] = {
    [RULE_URI] = { "[\"spiffe://fed.example/node/a\"]", "[\"spiffe://fed.example/*/a\"]",
                   "[\"spiffe://fed.example/node/b\"]" },
    [RULE_DNS] = { "[\"A.fed.example\"]", "[\"*.fed.example\"]", "[\"b.fed.example\"]" },
    [RULE_IP] = { "[\"10.0.0.1\"]", "[\"10.0.0.0/8\"]", "[\"10.0.0.2\"]" },
    [RULE_EMAIL] = { "[\"x@FED.example\"]", NULL, "[\"y@fed.example\"]" },
    [RULE_CN] = { "[\"node a\"]", NULL, "[\"node b\"]" },
    [RULE_SPKI_SHA256] = { NULL, NULL, PIN_OF_NOBODY },        /* begin_group says what fits */
    [RULE_ISSUER_SPKI_SHA256] = { NULL, NULL, PIN_OF_NOBODY }, /* here, */
    [RULE_SERIAL] = { NULL, NULL, "[\"00\"]" },                /* and here */
    [RULE_POLICY_OID] = { "[\"1.3.6.1.4.1.99999.1\"]", NULL, "[\"1.3.6.1.4.1.99999.2\"]" },
    [RULE_EXTENDED_KEY_USAGE] = { "[\"clientAuth\"]", NULL, "[\"codeSigning\"]" },
    [RULE_KEY_TYPES] = { "[\"P-256\"]", NULL, "[\"RSA\"]" },
    [RULE_MAX_LIFETIME_DAYS] = { "2", "2", "1" },
};

static const nk_host host = { .struct_size = sizeof(host) };
static struct authority root;
static EVP_PKEY *key;
static struct peer *peer;

/* --- one peer, and one policy --- */

/* "[\"...\"]", leaked to path_of's list. */
static const char *list_of_hex(const uint8_t digest[NK_SHA256_BYTES])
{
    char hex[TEXT_HEX_BYTES(NK_SHA256_BYTES)];
    return path_of("[\"%s\"]", text_hex(hex, digest, NK_SHA256_BYTES));
}

static int begin_group(void **state)
{
    (void)state;
    static const struct certificate_spec spec = {
        .cn = "node a",
        .san = "URI:spiffe://fed.example/node/a,DNS:a.fed.example,IP:10.0.0.1,email:x@fed.example",
        .extra = "certificatePolicies=1.3.6.1.4.1.99999.1",
        .starts_in_seconds = -3600,
        .ends_in_seconds = DAY,
    };
    uint8_t issuer[NK_SHA256_BYTES];
    root = authority_make(NULL, "root", NULL);
    key = software_key("P-256");
    X509 *leaf = authority_issue(&root, key, &spec);
    AUTO(free) char *root_pem = pem_of(root.certificate, NULL);
    AUTO(free) char *leaf_pem = pem_of(leaf, NULL);
    write_file(path_of("%s/root.pem", scratch_folder()), root_pem, 0644);
    X509_free(leaf);
    assert_int_equal(peer_read(NK_PEER_IS_CLIENT, NULL, leaf_pem, NULL, &peer, NULL), NK_OK);

    unsigned char *spki = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(root.certificate), &spki);
    assert_true(len > 0);
    assert_int_equal(EVP_Digest(spki, (size_t)len, issuer, NULL, EVP_sha256(), NULL), 1);
    OPENSSL_free(spki);
    samples[RULE_SPKI_SHA256].fits = list_of_hex(peer->facts.spki_sha256);
    samples[RULE_ISSUER_SPKI_SHA256].fits = list_of_hex(issuer);
    samples[RULE_SERIAL].fits = path_of("[\"%s\"]", peer->traits.serial);
    return 0;
}

static int end_group(void **state)
{
    (void)state;
    peer_free(peer);
    EVP_PKEY_free(key);
    authority_free(&root);
    return 0;
}

/* A rule of one member; a serial number needs its issuer beside it. */
static const char *rule_of(const char *name, enum rule_member member, const char *value)
{
    const char *issuer = member == RULE_SERIAL ? path_of(", \"issuer_spki_sha256\": %s",
                                                         samples[RULE_ISSUER_SPKI_SHA256].fits)
                                               : "";
    return path_of("{\"name\": \"%s\", \"%s\": %s%s}", name, rule_member_name(member), value,
                   issuer);
}

/* What the policy with these lists says of the peer, owned; *ret_verdict is it in short. */
static json_t *judge_by(const char *admit, const char *deny, nk_verdict *ret_verdict)
{
    struct config *config = NULL;
    struct policy *policy = NULL;
    struct policy_memory memory;
    struct opinion opinion;
    nk_error err = { .struct_size = sizeof(err) };
    const char *text = path_of("{\"version\": 1, \"node\": " NODE ", \"federation\": {\"roots\": "
                               "[\"root.pem\"]}, \"admit\": %s, \"deny\": %s}",
                               admit, deny);
    if (config_parse(text, scratch_folder(), &config, &err) != NK_OK ||
        policy_memory_open(NULL, &memory, &err) != NK_OK ||
        policy_new(config, &memory, &host, &policy, &err) != NK_OK) {
        fail_msg("%s: %s", text, err.text);
        return NULL;
    }
    AUTO(free) char *explanation = policy_explain(policy, peer, false, &opinion);
    config_free(config);
    policy_unref(policy);
    policy_memory_clear(&memory);
    *ret_verdict = opinion.verdict;
    return json_loads(explanation, 0, NULL);
}

/* --- every member --- */

static void assert_admits(enum rule_member member, const char *value)
{
    nk_verdict verdict;
    AUTO(json_decref)
    json_t *said = judge_by(path_of("[%s, %s]", rule_of("a", member, samples[member].misses),
                                    rule_of("r", member, value)),
                            "[]", &verdict);
    if (said == NULL || verdict.decision != NK_ALLOW || strcmp(verdict.rule, "r") != 0) {
        fail_msg("admit %s %s: %s", rule_member_name(member), value, verdict.detail);
    }
}

static void assert_denies(enum rule_member member, const char *value)
{
    nk_verdict verdict;
    AUTO(json_decref)
    json_t *said = judge_by("\"all-certified\"",
                            path_of("[%s, %s]", rule_of("a", member, samples[member].misses),
                                    rule_of("r", member, value)),
                            &verdict);
    if (said == NULL || verdict.decision != NK_DENY || strcmp(verdict.reason, "denied") != 0 ||
        strcmp(verdict.rule, "r") != 0) {
        fail_msg("deny %s %s: not refused by it", rule_member_name(member), value);
    }
}

/* A rule that does not match lets others decide, and the explanation names the member. */
static void assert_misses(enum rule_member member)
{
    const char *rules = path_of("[%s]", rule_of("r", member, samples[member].misses));
    const char *want = path_of("%s: ", rule_member_name(member));
    nk_verdict verdict;
    AUTO(json_decref) json_t *passed = judge_by("\"all-certified\"", rules, &verdict);
    assert_non_null(passed);
    assert_int_equal(verdict.decision, NK_ALLOW);
    AUTO(json_decref) json_t *refused = judge_by(rules, "[]", &verdict);
    assert_int_equal(verdict.decision, NK_DENY);
    assert_string_equal(verdict.reason, "no-rule");
    const json_t *rule = json_array_get(json_object_get(refused, "rules"), 0);
    const char *why = json_string_value(json_object_get(rule, "why"));
    if (why == NULL || strncmp(why, want, strlen(want)) != 0) {
        fail_msg("explained as \"%s\", not by \"%s\"", why != NULL ? why : "", want);
    }
}

static void check_member(void **state)
{
    const struct sample *sample = *state;
    enum rule_member member = (enum rule_member)(sample - samples);

    if (sample->fits == NULL || sample->misses == NULL) {
        fail_msg("%s has no sample: add one to this file", rule_member_name(member));
    }
    if (rule_member_rows[member].fits != NULL && sample->loose == NULL) {
        fail_msg("%s has values that are not exact, but no sample of one",
                 rule_member_name(member));
    }
    assert_admits(member, sample->fits);
    assert_denies(member, sample->fits);
    if (sample->loose != NULL) {
        assert_admits(member, sample->loose);
        assert_denies(member, sample->loose);
    }
    assert_misses(member);
}

/* Columns without which a row would crash or match nobody; ranks that decide between members. */
static void rows_are_whole(void **state)
{
    (void)state;
    unsigned ranks = 0;
    for (enum rule_member member = 0; member < RULE_MEMBERS; member++) {
        const struct rule_member_row *row = &rule_member_rows[member];
        assert_int_equal(row->member, member); /* rows stand in the order of the enum */
        assert_non_null(row->name);
        assert_non_null(row->read);
        assert_non_null(row->spell);
        assert_non_null(row->say);
        assert_int_equal(row->show == NULL, row->name_kind != 0);
        assert_int_equal(row->is_plain != NULL, row->name_kind != 0);
        for (enum rule_member other = 0; other < member; other++) {
            assert_string_not_equal(row->name, rule_member_name(other));
        }
        unsigned mine = (1u << row->exact_rank | 1u << row->any_rank) & ~1u;
        assert_int_equal(ranks & mine, 0);
        ranks |= mine;
    }
}

int main(void)
{
    for (enum rule_member member = 0; member < RULE_MEMBERS; member++) {
        rows_add(rule_member_name(member), check_member, &samples[member]);
    }
    ROWS_TEST(rows_are_whole);
    return ROWS_RUN("rule members", begin_group, end_group);
}
