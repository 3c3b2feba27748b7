/* SPDX-License-Identifier: Apache-2.0
 * Path validation against vectors that we did not make: NIST's PKITS, all of it. Every peer sends
 * all that might be on its path, and all revocation lists of the suite lie in one store, as an
 * operator would have them. Its good certificates end on 2030-12-31. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chain/chain.h"
#include "fixtures/authority.h"
#include "fixtures/rows.h"
#include "peer/peer.h"
#include "pkits/suite.h"
#include "pkits/vectors.h"
#include "unit/trust/known_issuers.h"

#define POLICY_ARC "2.16.840.1.101.3.2.1.48."

static struct setting {
    const char *name;
    bool wants_policies;
    enum crl_mode mode;
    struct chain *chain;
} settings[] = {
    { "crl_mode hard, a rule asks for a policy", true, CRL_HARD, NULL },
    { "crl_mode hard", false, CRL_HARD, NULL },
    { "crl_mode soft", false, CRL_SOFT, NULL },
};
static struct suite suite;
static size_t vectors_len;
static int deviations_seen, wrong_seen;

static bool counts(const struct vector *vector, const char *policy)
{
    if (vector->policies == NULL) {
        return true;
    }
    return strncmp(policy, POLICY_ARC, strlen(POLICY_ARC)) == 0 &&
           strlen(policy) == strlen(POLICY_ARC) + 1 &&
           strchr(vector->policies, policy[strlen(POLICY_ARC)]) != NULL;
}

/* As a rule with `policy_oid` does it. */
static bool has_policy(const struct vector *vector, const struct chain_path *path)
{
    for (size_t i = 0; i < path->policies_len; i++) {
        if (counts(vector, path->policies[i])) {
            return true;
        }
    }
    return false;
}

static bool asks_policy(const struct vector *vector)
{
    return vector->policies != NULL || (vector->asks & ASKS_EXPLICIT) != 0;
}

/* `ret_text`: why it does not hold, or what is noted. */
static enum reason judge(struct chain *chain, const struct vector *vector,
                         char ret_text[NK_DETAIL_BYTES])
{
    X509 *leaf = suite_find(&suite, vector->file);
    assert_non_null(leaf);
    STACK_OF(X509) *issuers = suite_issuers(&suite, leaf, PEER_CHAIN_MAX_CERTS - 1);
    struct chain_path path = { 0 };
    struct chain_failure failure = { 0 };
    enum reason reason = HOLDS;

    bool holds = chain_holds(chain, NULL, NK_PEER_IS_CLIENT, leaf, issuers, &path, &failure);
    assert_same_when_known(chain, NK_PEER_IS_CLIENT, leaf, issuers, suite.anchor);
    if (!holds) {
        reason = failure.reason;
    } else if (asks_policy(vector) && !has_policy(vector, &path)) {
        reason = REASON_NO_RULE;
    }
    snprintf(ret_text, NK_DETAIL_BYTES, "%s", reason == HOLDS ? path.note : failure.detail);
    chain_path_clear(&path);
    sk_X509_free(issuers);
    return reason;
}

static const char *label(enum reason reason)
{
    return reason == HOLDS ? "holds" : reason_label(reason);
}

static const struct deviation *deviation_of(const struct vector *vector)
{
    for (size_t i = 0; i < deviations_len; i++) {
        if (strcmp(deviations[i].number, vector->number) == 0) {
            return &deviations[i];
        }
    }
    return NULL;
}

static bool is_for_lists(enum reason reason)
{
    return reason == REASON_CRL_MISSING || reason == REASON_CRL_STALE ||
           reason == REASON_CRL_INVALID;
}

static bool as_listed(const struct setting *setting, const struct vector *vector)
{
    const struct deviation *deviation = deviation_of(vector);
    enum reason expected = deviation != NULL ? deviation->verdict : vector->want;
    bool is_noted = setting->mode == CRL_SOFT && is_for_lists(expected);
    char text[NK_DETAIL_BYTES];

    expected = is_noted ? HOLDS : expected;
    enum reason verdict = judge(setting->chain, vector, text);
    bool good = verdict == expected && (deviation == NULL || deviation->verdict != vector->want) &&
                (verdict != HOLDS || is_noted == (text[0] != '\0'));
    if (!good) {
        print_error("%s %s, %s: %s (\"%s\"), but right is %s%s%s%s\n", vector->number, vector->file,
                    setting->name, label(verdict), text, label(expected),
                    is_noted ? " with a note" : "", deviation != NULL ? ", as listed: " : "",
                    deviation != NULL ? deviation->why : "");
    }
    return good;
}

static void check_section(void **state)
{
    const struct section *section = *state;
    int deviating = 0, wrong = 0;

    for (size_t i = 0; i < section->len; i++) {
        const struct vector *vector = &section->vectors[i];
        bool good = true;
        for (size_t j = 0; j < ARRAY_LEN(settings); j++) {
            if (settings[j].wants_policies || !asks_policy(vector)) {
                good = as_listed(&settings[j], vector) && good;
            }
        }
        wrong += good ? 0 : 1;
        deviating += deviation_of(vector) != NULL ? 1 : 0;
    }
    print_message("pkits: %s: %zu vectors, %d deviations\n", section->title, section->len,
                  deviating);
    vectors_len += section->len;
    deviations_seen += deviating;
    wrong_seen += wrong;
    assert_int_equal(wrong, 0);
}

/* Of a file or of a number; the other is NULL. */
static bool has_vector(const char *file, const char *number)
{
    for (size_t i = 0; i < SECTIONS; i++) {
        for (size_t j = 0; j < sections[i].len; j++) {
            const struct vector *vector = &sections[i].vectors[j];
            if ((file != NULL && strcmp(vector->file, file) == 0) ||
                (number != NULL && strcmp(vector->number, number) == 0)) {
                return true;
            }
        }
    }
    return false;
}

static void uses_every_end_entity(void **state)
{
    (void)state;
    int unused = 0;
    for (int i = 0; i < sk_X509_num(suite.all); i++) {
        if (suite_is_leaf(suite.names[i]) && !has_vector(suite.names[i], NULL)) {
            print_error("no vector uses %s\n", suite.names[i]);
            unused++;
        }
    }
    assert_int_equal(unused, 0);
}

static void meets_every_listed_deviation(void **state)
{
    (void)state;
    int unmet = 0;
    for (size_t i = 0; i < deviations_len; i++) {
        if (!has_vector(NULL, deviations[i].number)) {
            print_error("the deviation %s belongs to no vector\n", deviations[i].number);
            unmet++;
        }
    }
    if (wrong_seen > 0) {
        print_message("pkits: %d vectors are not as listed\n", wrong_seen);
    }
    print_message("pkits: %zu vectors, %d deviations%s\n", vectors_len, deviations_seen,
                  wrong_seen == 0 ? " (all listed)" : "");
    assert_int_equal(unmet, 0);
}

/* Whoever opens with such a list does not open; at a reload it changes nothing. */
static void check_refused_list(void **state)
{
    const struct refused_list *row = *state;
    const char *file = path_of("%s/crls/%s.crl", PKITS_FOLDER, row->file);
    struct crl_ledger *ledger = NULL;
    struct crls *crls = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    char *paths[] = { (char *)file };

    assert_int_equal(crl_ledger_open(NULL, &ledger, NULL), NK_OK);
    assert_int_equal(crls_read(paths, 1, NULL, ledger, NULL, NULL, &crls, &err), NK_E_TRUST);
    assert_null(crls);
    assert_non_null(strstr(err.text, file));
    assert_non_null(strstr(err.text, row->text));
    const char *line = strstr(suite.refusals, file);
    assert_non_null(line);
    assert_non_null(strstr(line, row->text));
    crl_ledger_free(ledger);
}

static void refuses_no_other_list(void **state)
{
    (void)state;
    size_t lines = 0;
    for (const char *at = suite.refusals; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    assert_int_equal(lines, refused_lists_len);
}

static struct chain *make_chain(const struct setting *setting)
{
    struct chain_settings wanted = { .wants_policies = setting->wants_policies,
                                     .crl.mode = setting->mode };
    struct chain *chain = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    if (chain_new(suite.anchor, suite.lists, &wanted, &chain, &err) != NK_OK) {
        print_error("%s\n", err.text);
        abort();
    }
    return chain;
}

int main(void)
{
    for (size_t i = 0; i < SECTIONS; i++) {
        rows_add(sections[i].title, check_section, &sections[i]);
    }
    for (size_t i = 0; i < refused_lists_len; i++) {
        rows_add(refused_lists[i].file, check_refused_list, &refused_lists[i]);
    }
    ROWS_TEST(uses_every_end_entity);
    ROWS_TEST(meets_every_listed_deviation);
    ROWS_TEST(refuses_no_other_list);

    suite_read(PKITS_FOLDER, &suite);
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        settings[i].chain = make_chain(&settings[i]);
    }
    int failed = ROWS_RUN("PKITS", NULL, NULL);
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        chain_free(settings[i].chain);
    }
    suite_clear(&suite);
    return failed;
}
