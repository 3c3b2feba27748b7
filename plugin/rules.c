/* SPDX-License-Identifier: Apache-2.0
 * Rules that pin a key are found by that key, the others by walking: a deny list of thousands of
 * keys costs one lookup. */
#include "rules.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "rule_values.h"

#define ALL_CERTIFIED "all-certified"

struct values {
    struct rule_value *items;
    size_t len;
};

struct rule {
    char name[NK_RULE_NAME_BYTES];
    unsigned directions;
    struct values members[RULE_MEMBERS];
};

struct pin { /* a slot of the table; `rule` is its number + 1, 0 in a free slot */
    uint8_t spki[NK_SHA256_BYTES];
    size_t rule;
};

/* A key may be pinned by several rules. Open addressing, at most half full. The hash is the
 * digest's own first bytes: only the operator chooses what is in the table. */
struct rule_index {
    size_t rules_room;
    size_t *walked; /* numbers of the rules without a pin, ascending */
    size_t walked_len;
    size_t walked_room;
    struct pin *pins;
    size_t pins_len;
    size_t pins_room; /* a power of two, or 0 */
};

/* `items`, moved to twice the room if it was full; NULL: no memory, and `items` is still good. */
static void *with_room(void *items, size_t *room, size_t len, size_t size)
{
    if (len < *room) {
        return items;
    }
    size_t more = *room == 0 ? 8 : *room * 2;
    void *grown = reallocarray(items, more, size);
    if (grown != NULL) {
        *room = more;
    }
    return grown;
}

/* --- building --- */

static size_t first_slot(const struct rule_index *index, const uint8_t *spki)
{
    size_t hash = 0;
    memcpy(&hash, spki, sizeof(hash));
    return hash & (index->pins_room - 1);
}

static void place_pin(struct rule_index *index, const struct pin *pin)
{
    size_t slot = first_slot(index, pin->spki);
    while (index->pins[slot].rule != 0) {
        slot = (slot + 1) & (index->pins_room - 1);
    }
    index->pins[slot] = *pin;
}

static bool add_pin(struct rule_index *index, const uint8_t *spki, size_t rule)
{
    if (index->pins_len * 2 >= index->pins_room) {
        struct rule_index bigger = { .pins_room =
                                         index->pins_room == 0 ? 16 : index->pins_room * 2 };
        bigger.pins = calloc(bigger.pins_room, sizeof(*bigger.pins));
        if (bigger.pins == NULL) {
            return false;
        }
        for (size_t i = 0; i < index->pins_room; i++) {
            if (index->pins[i].rule != 0) {
                place_pin(&bigger, &index->pins[i]);
            }
        }
        free(index->pins);
        index->pins = bigger.pins;
        index->pins_room = bigger.pins_room;
    }
    struct pin pin = { .rule = rule + 1 };
    memcpy(pin.spki, spki, sizeof(pin.spki));
    place_pin(index, &pin);
    index->pins_len++;
    return true;
}

nk_status rule_list_append(struct rule_list *list, const char *name, unsigned directions,
                           nk_error *err)
{
    if (name[0] == '\0' || strlen(name) >= NK_RULE_NAME_BYTES || !rule_is_printable(name)) {
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
    if (list->index == NULL) {
        list->index = calloc(1, sizeof(*list->index));
    }
    struct rule_index *index = list->index;
    if (index == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    struct rule *rules =
        with_room(list->rules, &index->rules_room, list->len, sizeof(*list->rules));
    if (rules == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    list->rules = rules;
    size_t *walked =
        with_room(index->walked, &index->walked_room, index->walked_len, sizeof(*walked));
    if (walked == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    index->walked = walked;
    struct rule *rule = &list->rules[list->len];
    memset(rule, 0, sizeof(*rule));
    snprintf(rule->name, sizeof(rule->name), "%s", name);
    rule->directions = directions;
    index->walked[index->walked_len++] = list->len++;
    return NK_OK;
}

nk_status rule_list_add(struct rule_list *list, enum rule_member member, const char *value,
                        nk_error *err)
{
    if (list->len == 0 || member >= RULE_MEMBERS) {
        return report(err, NK_E_USAGE, "no rule, or no member, to add a value to");
    }
    size_t number = list->len - 1;
    struct values *values = &list->rules[number].members[member];
    struct rule_value parsed = { 0 };
    nk_status status = rule_member_types[member].parse(value, &parsed, err);
    if (status != NK_OK) {
        return status;
    }
    struct rule_value *grown = reallocarray(values->items, values->len + 1, sizeof(*grown));
    if (grown == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    values->items = grown;
    parsed.text = strdup(value);
    if (parsed.text == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    if (member == RULE_SPKI_SHA256 && !add_pin(list->index, parsed.bytes, number)) {
        free(parsed.text);
        return report(err, NK_E_NOMEM, "out of memory");
    }
    if (member == RULE_SPKI_SHA256 && values->len == 0) {
        list->index->walked_len--; /* the last rule was the last one there: now found by key */
    }
    values->items[values->len++] = parsed;
    return NK_OK;
}

void rule_list_clear(struct rule_list *list)
{
    for (size_t i = 0; i < list->len; i++) {
        for (size_t member = 0; member < RULE_MEMBERS; member++) {
            struct values *values = &list->rules[i].members[member];
            for (size_t v = 0; v < values->len; v++) {
                free(values->items[v].text);
            }
            free(values->items);
        }
    }
    free(list->rules);
    if (list->index != NULL) {
        free(list->index->walked);
        free(list->index->pins);
        free(list->index);
    }
    *list = (struct rule_list){ 0 };
}

/* --- asking --- */

const struct rule *rule_list_at(const struct rule_list *list, size_t i)
{
    return &list->rules[i];
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

const char *rule_member_name(enum rule_member member)
{
    return rule_member_types[member].name;
}

static bool any_fits(const struct rule_member_type *member, const struct values *values,
                     const char *text)
{
    for (size_t i = 0; i < values->len; i++) {
        if (member->fits(&values->items[i], text)) {
            return true;
        }
    }
    return false;
}

static bool any_pin_fits(const struct values *values, const uint8_t *spki)
{
    for (size_t i = 0; i < values->len; i++) {
        if (memcmp(values->items[i].bytes, spki, NK_SHA256_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

static bool member_matches(enum rule_member which, const struct values *values, const nk_peer *peer)
{
    const struct rule_member_type *member = &rule_member_types[which];

    if (which == RULE_SPKI_SHA256) {
        return any_pin_fits(values, peer->spki_sha256);
    }
    if (which == RULE_CN) {
        return any_fits(member, values, peer->common_name);
    }
    for (size_t i = 0; i < peer->names_len; i++) {
        if (peer->names[i].kind == member->name_kind &&
            any_fits(member, values, peer->names[i].text)) {
            return true;
        }
    }
    return false;
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
    if (first == NULL) {
        snprintf(why, room, "%s: the peer has none", member);
    } else if (count == 1) {
        snprintf(why, room, "%s: the peer's is %s", member, first);
    } else {
        snprintf(why, room, "%s: the peer's are %s and %zu more", member, first, count - 1);
    }
}

static void say_why(enum rule_member which, const nk_peer *peer, char *why, size_t room)
{
    const char *name = rule_member_types[which].name;
    char hex[2 * NK_SHA256_BYTES + 1] = "";

    if (which == RULE_CN) {
        snprintf(why, room, "%s: the peer's is \"%s\"", name, peer->common_name);
        return;
    }
    if (which != RULE_SPKI_SHA256) {
        say_names(rule_member_types[which].name_kind, name, peer, why, room);
        return;
    }
    for (size_t i = 0; i < NK_SHA256_BYTES; i++) {
        snprintf(hex + 2 * i, 3, "%02x", peer->spki_sha256[i]);
    }
    snprintf(why, room, "%s: the peer's is %s", name, hex);
}

/* `why` is NULL on the hot path: no text is made for nobody. */
static bool says_no(char *why, size_t room, const char *text)
{
    if (why != NULL) {
        snprintf(why, room, "%s", text);
    }
    return false;
}

bool rule_matches(const struct rule *rule, const nk_peer *peer, char *why, size_t room)
{
    if ((rule->directions & peer->role) == 0) {
        return says_no(why, room,
                       rule->directions == NK_PEER_IS_CLIENT
                           ? "direction: the rule is inbound, we dialled this peer"
                           : "direction: the rule is outbound, this peer dialled us");
    }
    bool asked = false;
    for (enum rule_member which = 0; which < RULE_MEMBERS; which++) {
        const struct values *values = &rule->members[which];
        if (values->len == 0) {
            continue;
        }
        asked = true;
        if (!member_matches(which, values, peer)) {
            if (why != NULL) {
                say_why(which, peer, why, room);
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

static size_t find_pinned(const struct rule_list *list, const nk_peer *peer)
{
    const struct rule_index *index = list->index;
    size_t found = SIZE_MAX;

    if (index->pins_len == 0) {
        return found;
    }
    size_t slot = first_slot(index, peer->spki_sha256);
    for (; index->pins[slot].rule != 0; slot = (slot + 1) & (index->pins_room - 1)) {
        const struct pin *pin = &index->pins[slot];
        size_t number = pin->rule - 1;
        if (number < found && memcmp(pin->spki, peer->spki_sha256, sizeof(pin->spki)) == 0 &&
            rule_matches(&list->rules[number], peer, NULL, 0)) {
            found = number;
        }
    }
    return found;
}

const struct rule *rule_list_find(const struct rule_list *list, const nk_peer *peer)
{
    if (list->index == NULL) {
        return NULL;
    }
    size_t found = find_pinned(list, peer);
    for (size_t i = 0; i < list->index->walked_len; i++) {
        size_t number = list->index->walked[i];
        if (number >= found) {
            break;
        }
        if (rule_matches(&list->rules[number], peer, NULL, 0)) {
            return &list->rules[number];
        }
    }
    return found != SIZE_MAX ? &list->rules[found] : NULL;
}
