/* SPDX-License-Identifier: Apache-2.0
 * Rules and globs. Lines: members of rules, as "uri=VALUE" or "-dns=VALUE", where "-" continues the
 * rule before; then, after an empty line, what the peer has, as "uri=NAME", "cn=NAME",
 * "serial=HEX", "key_types=NAME", "policy_oid=OID", "extended_key_usage=OID". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "rules/glob.h"
#include "rules/rules.h"

#define RULES_MAX 24
#define FACTS_MAX 8
#define BOTH (NK_PEER_IS_CLIENT | NK_PEER_IS_SERVER)

struct shown {
    nk_name names[FACTS_MAX];
    char *usages[FACTS_MAX];
    char *policies[FACTS_MAX];
    nk_peer peer;
    struct traits traits;
};

/* "member=value": *ret_value points into the line. RULE_MEMBERS: no such member. */
static enum rule_member member_of(char *line, char **ret_value)
{
    *ret_value = strchr(line, '=');
    if (*ret_value == NULL) {
        return RULE_MEMBERS;
    }
    *(*ret_value)++ = '\0';
    enum rule_member member = 0;
    while (member < RULE_MEMBERS && strcmp(rule_member_name(member), line) != 0) {
        member++;
    }
    return member;
}

static void show_name(struct shown *shown, uint32_t kind, const char *text)
{
    if (shown->peer.names_len < FACTS_MAX) {
        shown->names[shown->peer.names_len++] = (nk_name){ .kind = kind, .text = text };
    }
}

static void show_fact(struct shown *shown, enum rule_member member, char *text)
{
    struct traits *traits = &shown->traits;

    switch (member) {
    case RULE_URI:
        show_name(shown, NK_NAME_URI, text);
        break;
    case RULE_DNS:
        show_name(shown, NK_NAME_DNS, text);
        break;
    case RULE_IP:
        show_name(shown, NK_NAME_IP, text);
        break;
    case RULE_EMAIL:
        show_name(shown, NK_NAME_EMAIL, text);
        break;
    case RULE_CN:
        shown->peer.common_name = text;
        break;
    case RULE_SERIAL:
        traits->serial = text;
        break;
    case RULE_KEY_TYPES:
        traits->key_type = text;
        break;
    case RULE_EXTENDED_KEY_USAGE:
        if (traits->usages_len < FACTS_MAX) {
            shown->usages[traits->usages_len++] = text;
        }
        break;
    case RULE_POLICY_OID:
        if (traits->policies_len < FACTS_MAX) {
            shown->policies[traits->policies_len++] = text;
        }
        break;
    default:
        break;
    }
}

static void show_facts(struct shown *shown, char *at)
{
    static const uint8_t issuer[NK_SHA256_BYTES] = { 0xca };
    char *value = NULL;

    *shown = (struct shown){ .peer = { .struct_size = sizeof(shown->peer),
                                       .role = NK_PEER_IS_CLIENT,
                                       .names = shown->names,
                                       .common_name = "" },
                             .traits = { .peer = &shown->peer,
                                         .usages = shown->usages,
                                         .policies = shown->policies,
                                         .lifetime_seconds = 86400,
                                         .issuer_spki_sha256 = issuer } };
    while (*at != '\0') {
        enum rule_member member = member_of(fuzz_line(&at), &value);
        show_fact(shown, member, value);
    }
}

/* A rule is in both lists, or in neither. */
static void add_member(struct rule_list lists[2], bool more, enum rule_member member,
                       const char *value)
{
    char name[16];
    nk_error err = { .struct_size = sizeof(err) };

    snprintf(name, sizeof(name), "rule %02zu", lists[0].len);
    for (int i = 0; i < 2 && (!more || lists[i].len == 0); i++) {
        fuzz_require(rule_list_append(&lists[i], name, BOTH, NULL) == NK_OK, "rule_list_append");
    }
    nk_status status = rule_list_add(&lists[0], member, value, &err);
    if (status != NK_OK) {
        fuzz_check_error(&err, status, 1u << NK_E_CONFIG);
    }
    fuzz_require(rule_list_add(&lists[1], member, value, NULL) == status,
                 "a value is good once and bad once");
}

static void add_rules(struct rule_list lists[2], char **at)
{
    char *value = NULL;

    for (size_t i = 0; i < RULES_MAX && **at != '\0'; i++) {
        char *line = fuzz_line(at);
        if (*line == '\0') {
            return;
        }
        bool more = *line == '-';
        enum rule_member member = member_of(more ? line + 1 : line, &value);
        if (member < RULE_MEMBERS) {
            add_member(lists, more, member, value);
        }
    }
}

/* The index finds what looking at every rule finds. */
static void compare_lists(struct rule_list lists[2], const struct traits *traits)
{
    char why[NK_DETAIL_BYTES] = "";

    fuzz_require(rule_list_sort(&lists[0], NULL) == NK_OK, "rule_list_sort");
    const struct rule *quick = rule_list_find(&lists[0], traits);
    const struct rule *slow = rule_list_find(&lists[1], traits);
    fuzz_require((quick == NULL) == (slow == NULL), "the index and the list differ");
    fuzz_require(quick == NULL || strcmp(rule_name(quick), rule_name(slow)) == 0,
                 "the index finds another rule");
    fuzz_require(quick == NULL || rule_matches(quick, traits, why, sizeof(why)),
                 "the rule that was found does not match");
    (void)rule_list_find_naming(&lists[0], traits);
    (void)rule_list_odd_name(&lists[0], traits);
}

/* --- globs --- */

struct grammar {
    const char *(*problem)(const char *pattern);
    bool (*matches)(const char *pattern, const char *name);
    bool (*fits)(const char *pattern, const char *name);
};

/* A pattern outside the grammar matches nothing; one inside it matches the same either way; one
 * without a star matches itself. */
static void check_glob(const struct grammar *grammar, const char *pattern, const char *name)
{
    if (grammar->problem(pattern) != NULL) {
        fuzz_require(!grammar->matches(pattern, name), "a pattern with a problem matches");
        return;
    }
    fuzz_require(grammar->matches(pattern, name) == grammar->fits(pattern, name),
                 "matching differs from fitting");
    fuzz_require(strchr(pattern, '*') != NULL || grammar->matches(pattern, pattern),
                 "a pattern without a star does not match itself");
}

/* The first value of the rules against the first fact. */
static void check_globs(char *text)
{
    static const struct grammar uri = { glob_uri_problem, glob_uri_matches, glob_uri_fits };
    static const struct grammar dns = { glob_dns_problem, glob_dns_matches, glob_dns_fits };
    char *facts = strstr(text, "\n\n");
    char *pattern = strchr(text, '=');
    char *name = facts != NULL ? strchr(facts, '=') : NULL;

    if (pattern == NULL || name == NULL) {
        return;
    }
    pattern[strcspn(pattern, "\n")] = '\0';
    name[strcspn(name, "\n")] = '\0';
    check_glob(&uri, pattern + 1, name + 1);
    check_glob(&dns, pattern + 1, name + 1);
    (void)(glob_uri_is_plain(name + 1) && glob_dns_is_plain(name + 1));
    (void)(glob_email_problem(pattern + 1) == NULL && glob_email_is_plain(name + 1));
    (void)glob_dns_name_problem(name + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct rule_list lists[2] = { 0 };
    struct shown shown;
    char *text = fuzz_text(data, len);
    char *at = text;

    add_rules(lists, &at);
    show_facts(&shown, at);
    compare_lists(lists, &shown.traits);
    rule_list_clear(&lists[0]);
    rule_list_clear(&lists[1]);
    free(text);
    text = fuzz_text(data, len);
    check_globs(text);
    free(text);
    return 0;
}
