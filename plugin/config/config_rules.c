/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_rules.h"

#include <stdio.h>
#include <string.h>

#include "config/config_members.h"

static unsigned read_directions(const json_t *rule)
{
    const char *direction = members_text(rule, "direction");
    if (direction == NULL) {
        return NK_PEER_IS_CLIENT | NK_PEER_IS_SERVER;
    }
    return strcmp(direction, "inbound") == 0 ? NK_PEER_IS_CLIENT : NK_PEER_IS_SERVER;
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
        if (status != NK_OK) {
            return status;
        }
    }
    return NK_OK;
}

static nk_status read_rule(const json_t *rule, const struct place *at, struct rule_list *list,
                           nk_error *err)
{
    nk_status status =
        rule_list_append(list, members_text(rule, "name"), read_directions(rule), err);
    if (status != NK_OK) {
        return place_where(err, status, at);
    }
    for (enum rule_member member = 0; member < RULE_MEMBERS; member++) {
        struct place place = place_member(at, rule_member_name(member));
        status = read_member(json_object_get(rule, place.name), member, &place, list, err);
        if (status != NK_OK) {
            return status;
        }
    }
    return NK_OK;
}

nk_status config_rules_read(const json_t *rules, const struct place *at, struct rule_list *list,
                            nk_error *err)
{
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
