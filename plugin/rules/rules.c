/* SPDX-License-Identifier: Apache-2.0
 * Lists of rules: building, ordering, finding. */
#include "rules/rules.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/report.h"
#include "base/text.h"
#include "rules/rule_index.h"
#include "rules/rule_member_private.h"

/* `items`, moved to twice the room if it was full; NULL: no memory, and `items` is still good. */
static void *grow_items(void *items, size_t *room, size_t len, size_t size)
{
    if (len < *room) {
        return items;
    }
    size_t more = *room == 0 ? 1 : *room * 2;
    void *grown = reallocarray(items, more, size);
    if (grown != NULL) {
        *room = more;
    }
    return grown;
}

/* --- building --- */

/* The index points into rules and numbers them, so it goes before either changes. */
static void drop_index(struct rule_list *list)
{
    rule_index_free(list->index);
    list->index = NULL;
}

nk_status rule_list_append(struct rule_list *list, const char *name, unsigned directions,
                           nk_error *err)
{
    if (name[0] == '\0' || strlen(name) >= NK_RULE_NAME_BYTES || !text_is(name, TEXT_PRINTABLE)) {
        return report(err, NK_E_CONFIG, "\"%s\" is no rule name: 1 to %d printable ASCII bytes",
                      rule_quote(name).text, NK_RULE_NAME_BYTES - 1);
    }
    if (strcmp(name, ALL_CERTIFIED) == 0) {
        return report(err, NK_E_CONFIG,
                      "the rule name \"" ALL_CERTIFIED "\" is taken: it is what "
                      "verdicts call \"admit\": \"" ALL_CERTIFIED "\"");
    }
    if (directions == 0 || (directions & ~(unsigned)(NK_PEER_IS_CLIENT | NK_PEER_IS_SERVER)) != 0) {
        return report(err, NK_E_USAGE, "%u is no mask of directions", directions);
    }
    drop_index(list);
    struct rule *rules = grow_items(list->rules, &list->room, list->len, sizeof(*list->rules));
    if (rules == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    list->rules = rules;
    struct rule *rule = &list->rules[list->len++];
    memset(rule, 0, sizeof(*rule));
    snprintf(rule->name, sizeof(rule->name), "%s", name);
    rule->directions = directions;
    return NK_OK;
}

nk_status rule_list_add(struct rule_list *list, enum rule_member member, const char *value,
                        nk_error *err)
{
    if (list->len == 0 || member >= RULE_MEMBERS) {
        return report(err, NK_E_USAGE, "no rule, or no member, to add a value to");
    }
    struct rule_values *values = &list->rules[list->len - 1].members[member];
    struct rule_value parsed = { 0 };
    nk_status status = rule_member_rows[member].read(value, &parsed, err);
    if (status != NK_OK) {
        return status;
    }
    drop_index(list);
    struct rule_value *items =
        grow_items(values->items, &values->room, values->len, sizeof(*items));
    if (items == NULL) {
        free(parsed.key);
        return report(err, NK_E_NOMEM, "out of memory");
    }
    values->items = items;
    values->items[values->len++] = parsed;
    list->members |= 1u << member;
    return NK_OK;
}

/* --- ordering --- */

static int compare_values(const void *left, const void *right)
{
    const struct rule_value *a = left;
    const struct rule_value *b = right;
    if (a->exact != b->exact) {
        return a->exact ? -1 : 1;
    }
    return rule_compare_keys(a->key, a->len, b->key, b->len);
}

/* Values in order, exact ones first, each once. */
static void sort_values(struct rule_values *values)
{
    size_t kept = 0;

    if (values->len == 0) {
        return;
    }
    qsort(values->items, values->len, sizeof(*values->items), compare_values);
    for (size_t i = 1; i < values->len; i++) {
        if (compare_values(&values->items[kept], &values->items[i]) == 0) {
            free(values->items[i].key);
        } else {
            values->items[++kept] = values->items[i];
        }
    }
    values->len = kept + 1;
    values->sorted = 0;
    while (values->sorted < values->len && values->items[values->sorted].exact) {
        values->sorted++;
    }
}

static int compare_rules(const void *left, const void *right)
{
    const struct rule *a = left;
    const struct rule *b = right;
    return strcmp(a->name, b->name);
}

nk_status rule_list_sort(struct rule_list *list, nk_error *err)
{
    drop_index(list);
    if (list->len > 0) {
        qsort(list->rules, list->len, sizeof(*list->rules), compare_rules);
    }
    for (size_t i = 0; i < list->len; i++) {
        for (size_t member = 0; member < RULE_MEMBERS; member++) {
            sort_values(&list->rules[i].members[member]);
        }
    }
    return rule_index_new(list->rules, list->len, &list->index, err);
}

void rule_list_clear(struct rule_list *list)
{
    for (size_t i = 0; i < list->len; i++) {
        for (size_t member = 0; member < RULE_MEMBERS; member++) {
            struct rule_values *values = &list->rules[i].members[member];
            for (size_t v = 0; v < values->len; v++) {
                free(values->items[v].key);
            }
            free(values->items);
        }
    }
    free(list->rules);
    rule_index_free(list->index);
    *list = (struct rule_list){ 0 };
}

/* --- asking --- */

const struct rule *rule_list_at(const struct rule_list *list, size_t i)
{
    return &list->rules[i];
}

bool rule_list_has(const struct rule_list *list, enum rule_member member)
{
    return (list->members & 1u << member) != 0;
}

const char *rule_name(const struct rule *rule)
{
    return rule->name;
}

unsigned rule_directions(const struct rule *rule)
{
    return rule->directions;
}

bool rule_has(const struct rule *rule, enum rule_member member)
{
    return rule->members[member].len > 0;
}

bool rule_names_peer(const struct rule *rule)
{
    return rule_has(rule, RULE_URI) || rule_has(rule, RULE_SPKI_SHA256);
}

struct question {
    const struct rule_list *list;
    const struct traits *traits;
    bool naming;
};

static bool answers_question(const void *asker, size_t number)
{
    const struct question *question = asker;
    const struct rule *rule = &question->list->rules[number];
    return (!question->naming || rule_names_peer(rule)) &&
           rule_matches(rule, question->traits, NULL, 0);
}

static const struct rule *find_rule(const struct rule_list *list, const struct traits *traits,
                                    bool naming)
{
    const struct question question = { list, traits, naming };
    const struct rule *first = NULL;

    if (list->index != NULL) {
        size_t found = rule_index_find(list->index, traits, answers_question, &question);
        return found != SIZE_MAX ? &list->rules[found] : NULL;
    }
    for (size_t i = 0; i < list->len; i++) {
        const struct rule *rule = &list->rules[i];
        if ((first == NULL || strcmp(rule->name, first->name) < 0) &&
            answers_question(&question, i)) {
            first = rule;
        }
    }
    return first;
}

const struct rule *rule_list_find(const struct rule_list *list, const struct traits *traits)
{
    return find_rule(list, traits, false);
}

const struct rule *rule_list_find_naming(const struct rule_list *list, const struct traits *traits)
{
    return find_rule(list, traits, true);
}

/* No rule can have such a name, so none could deny it. */
static bool has_odd_common_name(const struct rule_list *list, const struct traits *traits)
{
    return rule_list_has(list, RULE_CN) && !text_is(traits->peer->common_name, TEXT_PRINTABLE);
}

const char *rule_list_odd_name(const struct rule_list *list, const struct traits *traits)
{
    if (has_odd_common_name(list, traits)) {
        return traits->peer->common_name;
    }
    for (size_t i = 0; i < traits->peer->names_len; i++) {
        const nk_name *name = &traits->peer->names[i];
        for (enum rule_member member = 0; member < RULE_MEMBERS; member++) {
            const struct rule_member_row *row = &rule_member_rows[member];
            if (row->is_plain != NULL && row->name_kind == name->kind &&
                rule_list_has(list, member) && !row->is_plain(name->text)) {
                return name->text;
            }
        }
    }
    return NULL;
}

/* --- the canonical form --- */

struct sink {
    rule_put *put;
    void *to;
};

static void put_number(const struct sink *sink, size_t number)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)((uint64_t)number >> (56 - 8 * i));
    }
    sink->put(sink->to, bytes, sizeof(bytes));
}

static void put_bytes(const struct sink *sink, const void *bytes, size_t len)
{
    put_number(sink, len);
    sink->put(sink->to, bytes, len);
}

static void put_rule(const struct sink *sink, const struct rule *rule)
{
    size_t given = 0;
    for (size_t member = 0; member < RULE_MEMBERS; member++) {
        given += rule->members[member].len > 0;
    }
    put_bytes(sink, rule->name, strlen(rule->name));
    put_number(sink, rule->directions);
    put_number(sink, given);
    for (size_t member = 0; member < RULE_MEMBERS; member++) {
        const struct rule_values *values = &rule->members[member];
        if (values->len == 0) {
            continue;
        }
        put_bytes(sink, rule_member_name(member), strlen(rule_member_name(member)));
        put_number(sink, values->len);
        for (size_t i = 0; i < values->len; i++) {
            put_bytes(sink, values->items[i].key, values->items[i].len);
        }
    }
}

bool rule_list_canonical(const struct rule_list *list, rule_put *put, void *to)
{
    const struct sink sink = { put, to };

    if (list->index == NULL && list->len > 0) {
        return false;
    }
    put_number(&sink, list->len);
    for (size_t i = 0; i < list->len; i++) {
        put_rule(&sink, &list->rules[i]);
    }
    return true;
}
