/* SPDX-License-Identifier: Apache-2.0
 * Answers as a person reads them, in a column of labels and one of text. Texts have passed
 * peer_read, the grammar of rule names or the command line's checks: printable ASCII, so that no
 * certificate can write to a terminal. */
#include "answer/answer.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "answer/ends.h"
#include "base/text.h"

#define LABEL_COLUMNS 13
#define NAME_COLUMNS_MAX 24
#define KIND_COLUMNS 5
#define ALIKE_SHOWN 3 /* of neighbouring rules that say no with the same words */

static const char *text_of(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    return text != NULL ? text : "";
}

static bool is_true(const json_t *object, const char *member)
{
    return json_is_true(json_object_get(object, member));
}

static void put_label(FILE *out, const char *label)
{
    fprintf(out, "%-*s", LABEL_COLUMNS, label);
}

static void put_line(FILE *out, const char *label, const char *text)
{
    if (text[0] != '\0') {
        put_label(out, label);
        fprintf(out, "%s\n", text);
    }
}

/* --- the peer: what is the same in every role --- */

static const char *words_of_end(const json_t *certificate, char until[TEXT_UNTIL_BYTES])
{
    return text_until(until, ends_read(json_object_get(certificate, "not_after")), time(NULL));
}

static void put_peer(FILE *out, const json_t *peer)
{
    const char *label = "peer";
    const json_t *names = json_object_get(peer, "names");
    const json_t *chain = json_object_get(peer, "chain");
    size_t certificates = json_array_size(chain);
    char until[TEXT_UNTIL_BYTES];

    if (text_of(peer, "cn")[0] != '\0' || json_array_size(names) == 0) {
        put_label(out, label);
        fprintf(out, "%-*s  %s\n", KIND_COLUMNS, "cn",
                text_of(peer, "cn")[0] != '\0' ? text_of(peer, "cn") : "(none, and no other name)");
        label = "";
    }
    for (size_t i = 0; i < json_array_size(names); i++) {
        const json_t *name = json_array_get(names, i);
        put_label(out, label);
        fprintf(out, "%-*s  %s\n", KIND_COLUMNS, text_of(name, "kind"), text_of(name, "name"));
        label = "";
    }
    put_label(out, "certificate");
    fprintf(out, "sha256 %s\n", text_of(peer, "leaf_sha256"));
    put_label(out, "");
    fprintf(out, "%s\n", words_of_end(json_array_get(chain, 0), until));
    put_label(out, "key");
    fprintf(out, "sha256 %s (spki_sha256 in rules)\n", text_of(peer, "spki_sha256"));
    put_label(out, "shown");
    fprintf(out, "%zu certificate%s\n", certificates, certificates == 1 ? "" : "s");
    for (size_t i = 1; i < certificates; i++) {
        const json_t *issuer = json_array_get(chain, i);
        put_label(out, "");
        fprintf(out, "\"%s\" %s\n", text_of(issuer, "subject"), words_of_end(issuer, until));
    }
}

/* --- the rules --- */

/* The list in which the deciding rule stands; both lists may have one of that name. */
static bool rule_decides(const json_t *answer, const json_t *rule)
{
    const char *list = strcmp(text_of(answer, "decision"), "allow") == 0 ? "admit" : "deny";
    return is_true(rule, "matches") && strcmp(text_of(rule, "list"), list) == 0 &&
           strcmp(text_of(rule, "name"), text_of(answer, "rule")) == 0;
}

static const char *outcome_of(const json_t *answer, const json_t *rule)
{
    if (rule_decides(answer, rule)) {
        return "decides";
    }
    if (is_true(rule, "matches")) {
        return "matches, but does not decide";
    }
    return is_true(rule, "applies") ? "no match" : "not asked";
}

static bool are_alike(const json_t *a, const json_t *b)
{
    return !is_true(a, "matches") && !is_true(b, "matches") &&
           strcmp(text_of(a, "list"), text_of(b, "list")) == 0 &&
           strcmp(text_of(a, "why"), text_of(b, "why")) == 0;
}

/* How many rules from here on say the same; 1 at least. */
static size_t run_of(const json_t *rules, size_t first)
{
    size_t end = first + 1;
    while (end < json_array_size(rules) &&
           are_alike(json_array_get(rules, first), json_array_get(rules, end))) {
        end++;
    }
    return end - first;
}

static int name_columns(const json_t *rules)
{
    size_t widest = 0;
    for (size_t i = 0; i < json_array_size(rules); i++) {
        size_t len = strlen(text_of(json_array_get(rules, i), "name"));
        widest = len > widest ? len : widest;
    }
    return widest < NAME_COLUMNS_MAX ? (int)widest : NAME_COLUMNS_MAX;
}

static void put_rule(FILE *out, const json_t *answer, const json_t *rule, int columns,
                     const char *label)
{
    const char *why = text_of(rule, "why");
    put_label(out, label);
    fprintf(out, "%-5s  %-*s  %s%s%s\n", text_of(rule, "list"), columns, text_of(rule, "name"),
            outcome_of(answer, rule), why[0] != '\0' ? "  " : "", why);
}

/* Thousands of denied keys would hide the line that matters. */
static void put_rules(FILE *out, const json_t *answer)
{
    const json_t *rules = json_object_get(answer, "rules");
    int columns = name_columns(rules);

    if (json_array_size(rules) == 0) {
        put_line(out, "rules", "none: an empty \"admit\" lets nobody in");
    }
    for (size_t first = 0, len = 0; first < json_array_size(rules); first += len) {
        len = run_of(rules, first);
        size_t shown = len > ALIKE_SHOWN + 1 ? ALIKE_SHOWN : len;
        for (size_t i = first; i < first + shown; i++) {
            put_rule(out, answer, json_array_get(rules, i), columns, i == 0 ? "rules" : "");
        }
        if (shown < len) {
            put_label(out, "");
            fprintf(out, "...    and %zu more that say the same; --json has them all\n",
                    len - shown);
        }
    }
}

/* --- the verdict --- */

static void put_role(FILE *out, const json_t *peer)
{
    const char *target = text_of(peer, "target");
    bool client = strcmp(text_of(peer, "role"), "client") == 0;

    put_label(out, client ? "as client" : "as server");
    fprintf(out, "%s%s\n",
            client              ? "it dials us"
            : target[0] != '\0' ? "we dial it as "
                                : "we dial it",
            target);
}

static void put_answer(FILE *out, const json_t *answer)
{
    const char *rule = text_of(answer, "rule");
    bool allowed = strcmp(text_of(answer, "decision"), "allow") == 0;

    put_role(out, json_object_get(answer, "peer"));
    put_label(out, "verdict");
    fprintf(out, rule[0] != '\0' ? "%s by rule \"%s\"\n" : "%s%s\n",
            allowed ? "ALLOWED" : "REFUSED", rule);
    if (!allowed) {
        put_label(out, "reason");
        fprintf(out, "%s: %s\n", text_of(answer, "reason"), text_of(answer, "meaning"));
        put_line(out, "detail", text_of(answer, "detail"));
    }
    put_line(out, "note", text_of(answer, "note"));
    put_rules(out, answer);
}

void answer_print(FILE *out, const json_t *answers)
{
    const json_t *first = json_array_get(answers, 0);

    put_peer(out, json_object_get(first, "peer"));
    put_label(out, "policy");
    fprintf(out, "digest %s\n", text_of(first, "policy_digest"));
    for (size_t i = 0; i < json_array_size(answers); i++) {
        putc('\n', out);
        put_answer(out, json_array_get(answers, i));
    }
}
