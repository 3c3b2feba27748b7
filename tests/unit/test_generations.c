/* SPDX-License-Identifier: Apache-2.0
 * Policies as generations: what makes two the same, what makes a new one, and what an opinion says
 * beside its verdict. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/auto.h"
#include "fixtures/authority.h"
#include "fixtures/revocation.h"
#include "fixtures/rows.h"
#include "judge/policy.h"

#define HOUR 3600L
#define NODE                                                                                       \
    "{\"module\": \"softhsm\", \"key\": \"pkcs11:object=key\", \"certificate\": \"x.pem\", "       \
    "\"pin\": {\"file\": \"pin\"}}"
#define PIN_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define PIN_A_LOUD "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define PIN_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ROOTS "\"federation\": {\"roots\": [\"one.pem\", \"two.pem\"]}"
#define MEMBERS "{\"name\": \"members\", \"uri\": [\"spiffe://f.example/node/*\"]}"
#define ADMIT_MEMBERS "\"admit\": [" MEMBERS "]"

static const nk_host host = { .struct_size = sizeof(host) };
static struct authority roots[2];
static EVP_PKEY *key;
static X509 *leaf;

static void write_pem(const char *name, X509 *first, X509 *second)
{
    char *pem = pem_of(first, second, NULL);
    write_file(path_of("%s/%s", scratch_folder(), name), pem, 0644);
    free(pem);
}

static int start(void **state)
{
    (void)state;
    struct certificate_spec spec = { .san = "URI:spiffe://f.example/node/a" };
    roots[0] = authority_make(NULL, "root one", NULL);
    roots[1] = authority_make(NULL, "root two", NULL);
    write_pem("one.pem", roots[0].certificate, NULL);
    write_pem("two.pem", roots[1].certificate, NULL);
    write_pem("both.pem", roots[1].certificate, roots[0].certificate);
    key = software_key("P-256");
    leaf = authority_issue(&roots[0], key, &spec);
    crl_write(path_of("%s/one.crl", scratch_folder()),
              &(struct crl_spec){ .issuer = &roots[0], .number = 1, .next_update_seconds = HOUR });
    return 0;
}

static int stop(void **state)
{
    (void)state;
    X509_free(leaf);
    EVP_PKEY_free(key);
    authority_free(&roots[0]);
    authority_free(&roots[1]);
    return 0;
}

static struct config *parse(const char *members)
{
    struct config *config = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    if (config_parse(path_of("{\"version\": 1, \"node\": " NODE ", %s}", members), scratch_folder(),
                     &config, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    return config;
}

/* A policy with what it came from. */
struct made {
    struct policy_memory memory;
    struct config *config;
    struct policy *policy;
};

static struct made make(const char *members)
{
    struct made made = { .config = parse(members) };
    nk_error err = { .struct_size = sizeof(err) };
    assert_int_equal(policy_memory_open(NULL, &made.memory, &err), NK_OK);
    if (policy_new(made.config, &made.memory, &host, &made.policy, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    return made;
}

static void unmake(struct made *made)
{
    policy_unref(made->policy);
    config_free(made->config);
    policy_memory_clear(&made->memory);
}

/* --- digests --- */

static const struct row {
    const char *name;
    const char *left;
    const char *right;
    bool equal;
} rows[] = {
    { "the same", ROOTS ", " ADMIT_MEMBERS, ROOTS ", " ADMIT_MEMBERS, true },
    { "roots in another order", ROOTS ", " ADMIT_MEMBERS,
      "\"federation\": {\"roots\": [\"two.pem\", \"one.pem\"]}, " ADMIT_MEMBERS, true },
    { "roots in one file", ROOTS ", " ADMIT_MEMBERS,
      "\"federation\": {\"roots\": [\"both.pem\"]}, " ADMIT_MEMBERS, true },
    { "a root twice", ROOTS ", " ADMIT_MEMBERS,
      "\"federation\": {\"roots\": [\"both.pem\", \"one.pem\"]}, " ADMIT_MEMBERS, true },
    { "a root less", ROOTS ", " ADMIT_MEMBERS,
      "\"federation\": {\"roots\": [\"one.pem\"]}, " ADMIT_MEMBERS, false },
    { "rules and values in another order",
      ROOTS ", \"admit\": [{\"name\": \"a\", \"spki_sha256\": [\"" PIN_A "\", \"" PIN_B
            "\"]}, " MEMBERS "]",
      ROOTS ", \"admit\": [" MEMBERS ", {\"spki_sha256\": [\"" PIN_B "\", \"" PIN_A_LOUD
            "\"], \"name\": \"a\"}]",
      true },
    { "other spellings of an address",
      ROOTS ", \"admit\": [{\"name\": \"a\", \"ip\": [\"2001:db8::1\"]}]",
      ROOTS ", \"admit\": [{\"name\": \"a\", \"ip\": [\"2001:0db8:0:0::0001\"]}]", true },
    { "another name of a rule", ROOTS ", " ADMIT_MEMBERS,
      ROOTS ", \"admit\": [{\"name\": \"them\", \"uri\": [\"spiffe://f.example/node/*\"]}]",
      false },
    { "another direction", ROOTS ", " ADMIT_MEMBERS,
      ROOTS ", \"admit\": [{\"name\": \"members\", \"direction\": \"inbound\", \"uri\": "
            "[\"spiffe://f.example/node/*\"]}]",
      false },
    { "a value more", ROOTS ", " ADMIT_MEMBERS,
      ROOTS ", \"admit\": [{\"name\": \"members\", \"uri\": [\"spiffe://f.example/node/*\", "
            "\"spiffe://f.example/x\"]}]",
      false },
    { "deny instead of admit", ROOTS ", \"admit\": [], \"deny\": [" MEMBERS "]",
      ROOTS ", " ADMIT_MEMBERS, false },
    { "a candidate", ROOTS ", " ADMIT_MEMBERS,
      ROOTS ", " ADMIT_MEMBERS ", \"admit_candidate\": [" MEMBERS "]", false },
    { "an empty candidate", ROOTS ", " ADMIT_MEMBERS,
      ROOTS ", " ADMIT_MEMBERS ", \"admit_candidate\": []", false },
    { "all-certified", ROOTS ", \"admit\": []", ROOTS ", \"admit\": \"all-certified\"", false },
    { "strict", ROOTS ", " ADMIT_MEMBERS,
      "\"federation\": {\"roots\": [\"both.pem\"], \"strict\": false}, " ADMIT_MEMBERS, false },
    { "server_name", ROOTS ", " ADMIT_MEMBERS,
      "\"federation\": {\"roots\": [\"both.pem\"], \"server_name\": \"rule\"}, " ADMIT_MEMBERS,
      false },
    { "revocation", ROOTS ", " ADMIT_MEMBERS,
      "\"federation\": {\"roots\": [\"both.pem\"], \"crls\": [\"one.crl\"]}, " ADMIT_MEMBERS,
      false },
    { "grace",
      "\"federation\": {\"roots\": [\"both.pem\"], \"crls\": [\"one.crl\"]}, " ADMIT_MEMBERS,
      "\"federation\": {\"roots\": [\"both.pem\"], \"crls\": [\"one.crl\"], \"crl_grace_hours\": "
      "1}, " ADMIT_MEMBERS,
      false },
    { "who we are is no policy", ROOTS ", " ADMIT_MEMBERS,
      ROOTS ", " ADMIT_MEMBERS ", \"host\": {\"verify_timeout_ms\": 77}", true },
};

static void check_digest(void **state)
{
    const struct row *row = *state;
    struct made left = make(row->left);
    struct made right = make(row->right);
    assert_int_equal(strlen(policy_digest(left.policy)), 64);
    assert_int_equal(strcmp(policy_digest(left.policy), policy_digest(right.policy)) == 0,
                     row->equal);
    unmake(&left);
    unmake(&right);
}

/* --- renewal --- */

static void nothing_new_makes_no_generation(void **state)
{
    (void)state;
    struct made made = make(ROOTS ", " ADMIT_MEMBERS);
    struct policy *next = NULL;
    assert_int_equal(policy_generation(made.policy), 1);
    assert_int_equal(
        policy_renew(made.policy, made.config, false, &made.memory, &host, &next, NULL), NK_OK);
    assert_null(next);
    struct config *same = parse(ROOTS ", " ADMIT_MEMBERS);
    assert_int_equal(policy_renew(made.policy, same, true, &made.memory, &host, &next, NULL),
                     NK_OK);
    assert_null(next);
    config_free(same);
    unmake(&made);
}

static void new_rules_make_the_next(void **state)
{
    (void)state;
    struct made made = make(ROOTS ", " ADMIT_MEMBERS);
    struct config *other = parse(ROOTS ", \"admit\": []");
    struct policy *next = NULL;
    assert_int_equal(policy_renew(made.policy, other, true, &made.memory, &host, &next, NULL),
                     NK_OK);
    assert_non_null(next);
    assert_int_equal(policy_generation(next), 2);
    assert_string_not_equal(policy_digest(next), policy_digest(made.policy));
    policy_unref(next);
    config_free(other);
    unmake(&made);
}

/* --- opinions --- */

static void judge(struct policy *policy, struct opinion *opinion)
{
    struct peer *peer = NULL;
    char *pem = pem_of(leaf, NULL);
    assert_int_equal(peer_read(NK_PEER_IS_CLIENT, NULL, pem, NULL, &peer, NULL), NK_OK);
    policy_judge(policy, peer, opinion);
    peer_free(peer);
    free(pem);
}

static void a_candidate_is_asked_and_never_decides(void **state)
{
    (void)state;
    struct opinion opinion;
    struct made stricter = make(ROOTS ", " ADMIT_MEMBERS ", \"admit_candidate\": []");
    judge(stricter.policy, &opinion);
    assert_int_equal(opinion.verdict.decision, NK_ALLOW);
    assert_true(opinion.has_candidate);
    assert_string_equal(opinion.candidate, "");
    struct made laxer = make(ROOTS ", \"admit\": [], \"admit_candidate\": [" MEMBERS "]");
    judge(laxer.policy, &opinion);
    assert_int_equal(opinion.verdict.decision, NK_DENY);
    assert_string_equal(opinion.verdict.reason, "no-rule");
    assert_string_equal(opinion.candidate, "members");
    unmake(&stricter);
    unmake(&laxer);
}

static void an_opinion_holds_until_the_first_thing_ends(void **state)
{
    (void)state;
    struct opinion opinion;
    time_t now = time(NULL);
    struct made without = make(ROOTS ", " ADMIT_MEMBERS);
    judge(without.policy, &opinion);
    assert_false(opinion.has_candidate);
    assert_in_range(opinion.until - now, 23 * HOUR, 25 * HOUR); /* the leaf: a day */
    struct made hard = make(
        "\"federation\": {\"roots\": [\"both.pem\"], \"crls\": [\"one.crl\"]}, " ADMIT_MEMBERS);
    judge(hard.policy, &opinion);
    assert_int_equal(opinion.verdict.decision, NK_ALLOW);
    assert_in_range(opinion.until - now, HOUR / 2, 2 * HOUR); /* its issuer's list: an hour */
    assert_string_equal(opinion.note, "");
    unmake(&without);
    unmake(&hard);
}

static void soft_mode_says_what_is_missing(void **state)
{
    (void)state;
    struct opinion opinion;
    crl_write(path_of("%s/two.crl", scratch_folder()),
              &(struct crl_spec){ .issuer = &roots[1], .number = 1 });
    struct made soft = make("\"federation\": {\"roots\": [\"both.pem\"], \"crls\": [\"two.crl\"], "
                            "\"crl_mode\": \"soft\"}, " ADMIT_MEMBERS);
    judge(soft.policy, &opinion);
    assert_int_equal(opinion.verdict.decision, NK_ALLOW);
    assert_non_null(strstr(opinion.note, "CRL"));
    unmake(&soft);
}

int main(void)
{
    ROWS_OF(rows, check_digest)
    ROWS_TEST(nothing_new_makes_no_generation);
    ROWS_TEST(new_rules_make_the_next);
    ROWS_TEST(a_candidate_is_asked_and_never_decides);
    ROWS_TEST(an_opinion_holds_until_the_first_thing_ends);
    ROWS_TEST(soft_mode_says_what_is_missing);
    return ROWS_RUN("generations", start, stop);
}
