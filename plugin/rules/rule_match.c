/* SPDX-License-Identifier: Apache-2.0
 * One rule and one peer: does it match, and if not, why. */
#include "rules/rule_values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "rules/glob.h"

#define DAY_SECONDS 86400

/* --- matching --- */

static int compare_fact(const void *fact, const void *value)
{
    const struct rule_fact *a = fact;
    const struct rule_value *b = value;
    return rule_compare_keys(a->bytes, a->len, b->key, b->len);
}

static bool any_fits(const struct rule_member_type *type, const struct rule_values *values,
                     const struct rule_fact *fact)
{
    if (values->sorted > 0 && bsearch(fact, values->items, values->sorted, sizeof(*values->items),
                                      compare_fact) != NULL) {
        return true;
    }
    for (size_t i = values->sorted; i < values->len; i++) {
        const struct rule_value *value = &values->items[i];
        if (value->exact ? compare_fact(fact, value) == 0 : type->fits(value, fact)) {
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

    for (cursor.next = 0; rule_fact_next(traits, member, &cursor, &fact);) {
        if (any_fits(&rule_member_types[member], values, &fact)) {
            return true;
        }
    }
    return false;
}

/* --- why not --- */

static void say_digest(const uint8_t *digest, const char *member, char *why, size_t room)
{
    char hex[TEXT_HEX_BYTES(NK_SHA256_BYTES)];

    if (digest == NULL) {
        snprintf(why, room, "%s: not known, since no chain of the peer was valid", member);
        return;
    }
    snprintf(why, room, "%s: the peer's is %s", member, text_hex(hex, digest, NK_SHA256_BYTES));
}

static void say_lifetime(int64_t seconds, const char *member, char *why, size_t room)
{
    const char *more = seconds % DAY_SECONDS != 0 ? "more than " : "";
    snprintf(why, room, "%s: the peer's certificate lives %s%lld days", member, more,
             (long long)(seconds / DAY_SECONDS));
}

static void say_list(const char *first, size_t len, const char *member, char *why, size_t room)
{
    if (len == 0) {
        snprintf(why, room, "%s: the peer has none", member);
    } else if (len == 1) {
        snprintf(why, room, "%s: the peer's is %s", member, first);
    } else {
        snprintf(why, room, "%s: the peer's are %s and %zu more", member, first, len - 1);
    }
}

static void say_names(uint32_t kind, const char *member, const nk_peer *peer, char *why,
                      size_t room)
{
    const char *first = NULL;
    size_t count = 0;
    for (size_t i = 0; i < peer->names_len; i++) {
        if (peer->names[i].kind == kind) {
            first = first == NULL ? peer->names[i].text : first;
            count++;
        }
    }
    say_list(first, count, member, why, room);
}

static const char *first_of(char *const *texts, size_t len)
{
    return len > 0 ? texts[0] : NULL;
}

static void say_why(enum rule_member member, const struct traits *traits, char *why, size_t room)
{
    const char *name = rule_member_types[member].name;

    switch (member) {
    case RULE_CN:
        snprintf(why, room, "%s: the peer's is \"%s\"", name, traits->peer->common_name);
        break;
    case RULE_SPKI_SHA256:
        say_digest(traits->peer->spki_sha256, name, why, room);
        break;
    case RULE_ISSUER_SPKI_SHA256:
        say_digest(traits->issuer_spki_sha256, name, why, room);
        break;
    case RULE_SERIAL:
        say_list(traits->serial, traits->serial != NULL, name, why, room);
        break;
    case RULE_POLICY_OID:
        say_list(first_of(traits->policies, traits->policies_len), traits->policies_len, name, why,
                 room);
        break;
    case RULE_EXTENDED_KEY_USAGE:
        say_list(first_of(traits->usages, traits->usages_len), traits->usages_len, name, why, room);
        break;
    case RULE_KEY_TYPES:
        say_list(traits->key_type, traits->key_type != NULL, name, why, room);
        break;
    case RULE_MAX_LIFETIME_DAYS:
        say_lifetime(traits->lifetime_seconds, name, why, room);
        break;
    default:
        say_names(rule_member_types[member].name_kind, name, traits->peer, why, room);
    }
}

/* `why` is NULL on the hot path: no text is made for nobody. */
static bool says_no(char *why, size_t room, const char *text)
{
    if (why != NULL) {
        snprintf(why, room, "%s", text);
    }
    return false;
}

bool rule_matches(const struct rule *rule, const struct traits *traits, char *why, size_t room)
{
    if ((rule->directions & traits->peer->role) == 0) {
        return says_no(why, room,
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
                say_why(member, traits, why, room);
            }
            return false;
        }
    }
    if (!asked) { /* the AND of nothing would be yes to everybody */
        return says_no(why, room, "the rule has no member to match");
    }
    if (why != NULL && room > 0) {
        why[0] = '\0';
    }
    return true;
}

/* --- odd names --- */

static bool is_plain(const nk_name *name)
{
    switch (name->kind) {
    case NK_NAME_URI:
        return glob_uri_is_plain(name->text);
    case NK_NAME_DNS:
        return glob_dns_is_plain(name->text);
    case NK_NAME_EMAIL:
        return glob_email_is_plain(name->text);
    default:
        return strncmp(name->text, "::ffff:", 7) != 0 || strchr(name->text, '.') == NULL;
    }
}

const char *rule_list_odd_name(const struct rule_list *list, const struct traits *traits)
{
    unsigned kinds = 0;
    for (enum rule_member member = 0; member < RULE_MEMBERS; member++) {
        if (rule_list_has(list, member)) {
            kinds |= 1u << rule_member_types[member].name_kind;
        }
    }
    for (size_t i = 0; i < traits->peer->names_len; i++) {
        const nk_name *name = &traits->peer->names[i];
        if ((kinds >> name->kind & 1) != 0 && !is_plain(name)) {
            return name->text;
        }
    }
    return NULL;
}
