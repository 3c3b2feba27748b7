/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_rules.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "config/config_object.h"

DEFINE_AUTO(json_t *, json_decref);

/* --- checks --- */

static nk_status check_rule_name(const struct member *member, const json_t *value,
                                 const struct place *at, nk_error *err)
{
    const char *name = json_string_value(value);

    (void)member;
    if (strlen(name) >= NK_RULE_NAME_BYTES) {
        return place_report(err, NK_E_CONFIG, at, "must be at most %d bytes",
                            NK_RULE_NAME_BYTES - 1);
    }
    if (!text_is(name, TEXT_PRINTABLE)) {
        return place_report(err, NK_E_CONFIG, at, "must be printable ASCII");
    }
    if (strcmp(name, ALL_CERTIFIED) == 0) {
        return place_report(err, NK_E_CONFIG, at,
                            "\"" ALL_CERTIFIED "\" is what the log says when \"admit\" is that "
                            "word; choose another name");
    }
    return NK_OK;
}

static nk_status check_rule(const struct member *member, const json_t *value,
                            const struct place *at, nk_error *err)
{
    size_t before = place_faults(at);
    nk_status status = check_object(member, value, at, err);
    if (status != NK_OK || place_faults(at) > before) {
        return status;
    }
    size_t bare = 1 + (json_object_get(value, "direction") != NULL);
    if (json_object_size(value) == bare) {
        return place_report(err, NK_E_CONFIG, at,
                            "matches nothing in particular; give it a member such as uri, dns, ip, "
                            "email, cn or spki_sha256 (to admit every certified peer: \"admit\": "
                            "\"" ALL_CERTIFIED "\")");
    }
    if (json_object_get(value, "serial") != NULL &&
        json_object_get(value, "issuer_spki_sha256") == NULL) {
        struct place place = place_member(at, "serial");
        return place_report(err, NK_E_CONFIG, &place,
                            "needs issuer_spki_sha256 in the same rule: every CA counts its own "
                            "serial numbers, so one alone names a certificate of each");
    }
    return NK_OK;
}

static const struct choice directions[] = {
    { "inbound", NK_PEER_IS_CLIENT },
    { "outbound", NK_PEER_IS_SERVER },
    { 0 },
};

/* Members of a rule: its own, then those that match a fact. */
static void fill_rule_members(struct member rows[RULE_MEMBERS + 3])
{
    *rows++ = (struct member){ "name", AT_RELOAD, .type = &type_text, .also = check_rule_name,
                               .required = true };
    *rows++ =
        (struct member){ "direction", AT_RELOAD, .type = &type_choice, .choices = directions };
    for (enum rule_member member = 0; member < RULE_MEMBERS; member++) {
        unsigned max = rule_member_max(member);
        *rows++ =
            (struct member){ rule_member_name(member), AT_RELOAD,
                             .type = max > 0 ? &type_number : &type_texts, .min = 1, .max = max };
    }
    *rows = (struct member){ 0 };
}

static nk_status check_rules(const struct member *member, const json_t *value,
                             const struct place *at, nk_error *err)
{
    struct member rows[RULE_MEMBERS + 3];
    struct member list = *member;

    fill_rule_members(rows);
    list.inside = rows;
    nk_status status = type_array(&list, check_rule, value, at, err);
    if (status != NK_OK) {
        return status;
    }
    AUTO(json_decref) json_t *seen = json_object();
    for (size_t i = 0; i < json_array_size(value); i++) {
        json_t *name = json_object_get(json_array_get(value, i), "name");
        struct place element = place_element(at, i);
        struct place place = place_member(&element, "name");
        if (name == NULL) { /* a fault that was told */
            continue;
        }
        if (json_object_get(seen, json_string_value(name)) != NULL) {
            status = place_report(err, NK_E_CONFIG, &place,
                                  "\"%s\" is the name of an earlier rule of this list; the log "
                                  "could not tell them apart",
                                  json_string_value(name));
        }
        if (!place_goes_on(&place, &status, err)) {
            return status;
        }
        if (json_object_set(seen, json_string_value(name), name) != 0) {
            return place_report(err, NK_E_NOMEM, &place, "out of memory");
        }
    }
    return NK_OK;
}

static nk_status check_admit(const struct member *member, const json_t *value,
                             const struct place *at, nk_error *err)
{
    if (json_is_array(value)) {
        return check_rules(member, value, at, err);
    }
    if (!json_is_string(value)) {
        return type_wrong("an array of rules or \"" ALL_CERTIFIED "\"", value, at, err);
    }
    if (json_string_length(value) != strlen(ALL_CERTIFIED) ||
        strcmp(json_string_value(value), ALL_CERTIFIED) != 0) {
        return place_report(err, NK_E_CONFIG, at,
                            "must be an array of rules or \"" ALL_CERTIFIED "\"");
    }
    return NK_OK;
}

/* --- reading --- */

static unsigned read_directions(const json_t *rule)
{
    const char *text = json_string_value(json_object_get(rule, "direction"));
    return text != NULL ? type_find_choice(directions, text)->value
                        : NK_PEER_IS_CLIENT | NK_PEER_IS_SERVER;
}

static nk_status add_value(struct rule_list *list, enum rule_member member, const char *text,
                           const struct place *at, nk_error *err)
{
    nk_status status = rule_list_add(list, member, text, err);
    return status == NK_OK ? NK_OK : place_where(err, status, at);
}

/* An array of texts, or one number. */
static nk_status read_member(const json_t *value, enum rule_member member, const struct place *at,
                             struct rule_list *list, nk_error *err)
{
    if (json_is_integer(value)) {
        char digits[24];
        snprintf(digits, sizeof(digits), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return add_value(list, member, digits, at, err);
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        struct place place = place_element(at, i);
        nk_status status =
            add_value(list, member, json_string_value(json_array_get(value, i)), &place, err);
        if (!place_goes_on(&place, &status, err)) {
            return status;
        }
    }
    return NK_OK;
}

static nk_status read_rule(const json_t *rule, const struct place *at, struct rule_list *list,
                           nk_error *err)
{
    nk_status status = rule_list_append(list, json_string_value(json_object_get(rule, "name")),
                                        read_directions(rule), err);
    if (status != NK_OK) {
        return place_where(err, status, at);
    }
    for (enum rule_member member = 0; member < RULE_MEMBERS; member++) {
        struct place place = place_member(at, rule_member_name(member));
        status = read_member(json_object_get(rule, place.name), member, &place, list, err);
        if (!place_goes_on(&place, &status, err)) {
            return status;
        }
    }
    return NK_OK;
}

static nk_status read_rules(const struct member *member, const json_t *rules,
                            const struct place *at, void *to, nk_error *err)
{
    struct rule_list *list = to;

    (void)member;
    for (size_t i = 0; i < json_array_size(rules); i++) {
        struct place place = place_element(at, i);
        nk_status status = read_rule(json_array_get(rules, i), &place, list, err);
        if (status != NK_OK) {
            return status;
        }
    }
    nk_status status = rule_list_sort(list, err);
    return status == NK_OK ? NK_OK : place_where(err, status, at);
}

static void clear_rules(void *held)
{
    rule_list_clear(held);
}

const struct type type_rules = { check_rules, sizeof(struct rule_list), read_rules, NULL,
                                 clear_rules };
const struct type type_admit = { check_admit, sizeof(struct rule_list), read_rules, NULL,
                                 clear_rules };
