/* SPDX-License-Identifier: Apache-2.0
 * One rule and one peer: does it match, and if not, why. */
#include "rule_values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "glob.h"

#define DAY_SECONDS 86400

/* --- facts --- */

/* Spelled as the keys of parse_dns and parse_email are; false: longer than any key. */
static bool lower_from(const char *text, const char *from, struct rule_fact_cursor *cursor,
                       struct rule_fact *fact)
{
    size_t len = strlen(text);
    if (len > RULE_FACT_MAX_BYTES) {
        return false;
    }
    size_t kept = from != NULL ? (size_t)(from - text) : 0;
    memcpy(cursor->text, text, len + 1);
    for (char *c = cursor->text + kept; *c != '\0'; c++) {
        *c = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
    }
    *fact = (struct rule_fact){ (const uint8_t *)cursor->text, len, 0 };
    return true;
}

static struct rule_fact text_fact(const char *text)
{
    return (struct rule_fact){ (const uint8_t *)text, strlen(text), 0 };
}

/* False: no rule can match a name of this shape. */
static bool name_fact(const nk_name *name, struct rule_fact_cursor *cursor, struct rule_fact *fact)
{
    switch (name->kind) {
    case NK_NAME_DNS:
        return lower_from(name->text, NULL, cursor, fact);
    case NK_NAME_EMAIL:
        return strrchr(name->text, '@') != NULL &&
               lower_from(name->text, strrchr(name->text, '@'), cursor, fact);
    case NK_NAME_IP:
        *fact = (struct rule_fact){ (const uint8_t *)cursor->text, RULE_ADDRESS_BYTES, 0 };
        return rule_read_address(name->text, (uint8_t *)cursor->text);
    default:
        *fact = text_fact(name->text);
        return true;
    }
}

static bool next_name(const nk_peer *peer, uint32_t kind, struct rule_fact_cursor *cursor,
                      struct rule_fact *fact)
{
    while (cursor->next < peer->names_len) {
        const nk_name *name = &peer->names[cursor->next++];
        if (name->kind == kind && name_fact(name, cursor, fact)) {
            return true;
        }
    }
    return false;
}

/* "RSA-3072" is a key of that size and one of RSA. */
static bool next_key_type(const char *type, struct rule_fact_cursor *cursor, struct rule_fact *fact)
{
    size_t i = cursor->next++;
    if (type == NULL || i > 1 || (i == 1 && strncmp(type, "RSA-", 4) != 0)) {
        return false;
    }
    *fact = text_fact(i == 0 ? type : "RSA");
    return true;
}

static bool next_of(char *const *texts, size_t len, struct rule_fact_cursor *cursor,
                    struct rule_fact *fact)
{
    if (cursor->next >= len) {
        return false;
    }
    *fact = text_fact(texts[cursor->next++]);
    return true;
}

static bool only_text(const char *text, struct rule_fact_cursor *cursor, struct rule_fact *fact)
{
    if (cursor->next++ > 0 || text == NULL || text[0] == '\0') {
        return false;
    }
    *fact = text_fact(text);
    return true;
}

static bool only_digest(const uint8_t *digest, struct rule_fact_cursor *cursor,
                        struct rule_fact *fact)
{
    *fact = (struct rule_fact){ digest, NK_SHA256_BYTES, 0 };
    return cursor->next++ == 0 && digest != NULL;
}

static bool only_number(int64_t number, struct rule_fact_cursor *cursor, struct rule_fact *fact)
{
    *fact = (struct rule_fact){ (const uint8_t *)"", 0, number };
    return cursor->next++ == 0 && number >= 0;
}

bool rule_fact_next(const struct traits *traits, enum rule_member member,
                    struct rule_fact_cursor *cursor, struct rule_fact *ret_fact)
{
    switch (member) {
    case RULE_CN:
        return only_text(traits->peer->common_name, cursor, ret_fact);
    case RULE_SPKI_SHA256:
        return only_digest(traits->peer->spki_sha256, cursor, ret_fact);
    case RULE_ISSUER_SPKI_SHA256:
        return only_digest(traits->issuer_spki_sha256, cursor, ret_fact);
    case RULE_SERIAL:
        return only_text(traits->serial, cursor, ret_fact);
    case RULE_POLICY_OID:
        return next_of(traits->policies, traits->policies_len, cursor, ret_fact);
    case RULE_EXTENDED_KEY_USAGE:
        return next_of(traits->usages, traits->usages_len, cursor, ret_fact);
    case RULE_KEY_TYPES:
        return next_key_type(traits->key_type, cursor, ret_fact);
    case RULE_MAX_LIFETIME_DAYS:
        return only_number(traits->lifetime_seconds, cursor, ret_fact);
    default:
        return next_name(traits->peer, rule_member_types[member].name_kind, cursor, ret_fact);
    }
}

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
    char hex[2 * NK_SHA256_BYTES + 1] = "";

    if (digest == NULL) {
        snprintf(why, room, "%s: not known, since no chain of the peer was valid", member);
        return;
    }
    for (size_t i = 0; i < NK_SHA256_BYTES; i++) {
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    }
    snprintf(why, room, "%s: the peer's is %s", member, hex);
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
