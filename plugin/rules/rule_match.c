/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/rule_match.h"

#include <stdio.h>
#include <stdlib.h>

#include "rules/rule_member_private.h"

static int compare_fact(const void *fact, const void *value)
{
    const struct rule_fact *a = fact;
    const struct rule_value *b = value;
    return rule_compare_keys(a->bytes, a->len, b->key, b->len);
}

static bool any_fits(rule_fits *fits, const struct rule_values *values,
                     const struct rule_fact *fact)
{
    if (values->sorted > 0 && bsearch(fact, values->items, values->sorted, sizeof(*values->items),
                                      compare_fact) != NULL) {
        return true;
    }
    for (size_t i = values->sorted; i < values->len; i++) {
        const struct rule_value *value = &values->items[i];
        if (value->exact ? compare_fact(fact, value) == 0 : fits(value, fact)) {
            return true;
        }
    }
    return false;
}

static bool member_matches(enum rule_member member, const struct rule_values *values,
                           const struct traits *traits)
{
    struct rule_fact_cursor cursor;
    struct rule_fact fact;

    for (cursor.next = 0; rule_member_fact(member, traits, &cursor, &fact);) {
        if (any_fits(rule_member_rows[member].fits, values, &fact)) {
            return true;
        }
    }
    return false;
}

/* `why` is NULL on the hot path, where no text is made. */
static bool say_no(char *why, size_t room, const char *text)
{
    if (why != NULL) {
        snprintf(why, room, "%s", text);
    }
    return false;
}

bool rule_matches(const struct rule *rule, const struct traits *traits, char *why, size_t room)
{
    if ((rule->directions & traits->peer->role) == 0) {
        return say_no(why, room,
                      rule->directions == NK_PEER_IS_CLIENT
                          ? "direction: the rule is inbound, we dialled this peer"
                          : "direction: the rule is outbound, this peer dialled us");
    }
    bool asked = false;
    for (enum rule_member member = 0; member < RULE_MEMBERS; member++) {
        const struct rule_values *values = &rule->members[member];
        if (values->len == 0) {
            continue;
        }
        asked = true;
        if (!member_matches(member, values, traits)) {
            if (why != NULL) {
                rule_member_say(member, traits, why, room);
            }
            return false;
        }
    }
    if (!asked) { /* the AND of nothing would be yes to everybody */
        return say_no(why, room, "the rule has no member to match");
    }
    if (why != NULL && room > 0) {
        why[0] = '\0';
    }
    return true;
}
