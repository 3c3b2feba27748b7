/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_types.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define NAMES_BYTES 400
#define NEAR_NAME_BYTES 32 /* longer names are no typing mistake */
#define NEAR_EDITS 2

static const char *type_name(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",  [JSON_STRING] = "a string",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a fraction", [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null",
    };
    return names[json_typeof(value)];
}

nk_status type_wrong(const char *wanted, const json_t *value, const struct place *at, nk_error *err)
{
    return place_report(err, NK_E_CONFIG, at, "must be %s, not %s", wanted, type_name(value));
}

nk_status type_text(const struct member *member, const json_t *value, const struct place *at,
                    nk_error *err)
{
    (void)member;
    if (!json_is_string(value)) {
        return type_wrong("a string", value, at, err);
    }
    size_t len = json_string_length(value);
    if (len == 0) {
        return place_report(err, NK_E_CONFIG, at, "must not be empty");
    }
    if (strlen(json_string_value(value)) != len) {
        return place_report(err, NK_E_CONFIG, at, "must not hold a NUL byte");
    }
    return NK_OK;
}

nk_status type_choice(const struct member *member, const json_t *value, const struct place *at,
                      nk_error *err)
{
    nk_status status = type_text(member, value, at, err);
    if (status != NK_OK) {
        return status;
    }
    char names[NAMES_BYTES] = "";
    for (const char *const *one = member->choices; *one != NULL; one++) {
        if (strcmp(json_string_value(value), *one) == 0) {
            return NK_OK;
        }
        size_t used = strlen(names);
        snprintf(names + used, sizeof(names) - used, "%s\"%s\"", used > 0 ? ", " : "", *one);
    }
    return place_report(err, NK_E_CONFIG, at, "must be one of %s", names);
}

nk_status type_flag(const struct member *member, const json_t *value, const struct place *at,
                    nk_error *err)
{
    (void)member;
    return json_is_boolean(value) ? NK_OK : type_wrong("true or false", value, at, err);
}

nk_status type_true(const struct member *member, const json_t *value, const struct place *at,
                    nk_error *err)
{
    (void)member;
    return json_is_true(value) ? NK_OK : type_wrong("true", value, at, err);
}

nk_status type_number(const struct member *member, const json_t *value, const struct place *at,
                      nk_error *err)
{
    char wanted[80];

    snprintf(wanted, sizeof(wanted), "a whole number from %u to %u", member->min, member->max);
    if (!json_is_integer(value)) {
        return type_wrong(wanted, value, at, err);
    }
    json_int_t n = json_integer_value(value);
    if (n < (json_int_t)member->min || n > (json_int_t)member->max) {
        return place_report(err, NK_E_CONFIG, at, "must be %s", wanted);
    }
    return NK_OK;
}

nk_status type_array(const struct member *member, type_check *one, const json_t *value,
                     const struct place *at, nk_error *err)
{
    if (!json_is_array(value)) {
        return type_wrong("an array (write [...], also around a single value)", value, at, err);
    }
    if (json_array_size(value) < member->min) {
        return place_report(err, NK_E_CONFIG, at, "must not be empty; give a value, or remove it");
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        struct place element = place_element(at, i);
        nk_status status = one(member, json_array_get(value, i), &element, err);
        if (status != NK_OK) {
            return status;
        }
    }
    return NK_OK;
}

nk_status type_texts(const struct member *member, const json_t *value, const struct place *at,
                     nk_error *err)
{
    return type_array(member, type_text, value, at, err);
}

static nk_status day(const struct member *member, const json_t *value, const struct place *at,
                     nk_error *err)
{
    (void)member;
    const struct member any_day = { .min = 1, .max = 3650 };
    return type_number(&any_day, value, at, err);
}

nk_status type_days(const struct member *member, const json_t *value, const struct place *at,
                    nk_error *err)
{
    return type_array(member, day, value, at, err);
}

/* Levenshtein's distance, for names so short that one row on the stack is enough. */
static size_t edits(const char *a, const char *b)
{
    size_t row[NEAR_NAME_BYTES + 1];
    size_t len = strlen(b);

    if (len > NEAR_NAME_BYTES || strlen(a) > NEAR_NAME_BYTES) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= len; j++) {
        row[j] = j;
    }
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t corner = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < len; j++) {
            size_t best = corner + (a[i] != b[j]);
            corner = row[j + 1];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j + 1] = corner + 1 < best ? corner + 1 : best;
        }
    }
    return row[len];
}

static nk_status unknown(const struct member *table, const struct place *at, nk_error *err)
{
    const char *nearest = NULL;
    size_t fewest = NEAR_EDITS + 1;
    char names[NAMES_BYTES] = "";

    for (const struct member *row = table; row->name != NULL; row++) {
        size_t count = edits(at->name, row->name);
        if (count < fewest && count < strlen(row->name)) {
            fewest = count;
            nearest = row->name;
        }
        size_t used = strlen(names);
        snprintf(names + used, sizeof(names) - used, "%s%s", used > 0 ? ", " : "", row->name);
    }
    if (nearest != NULL) {
        return place_report(err, NK_E_CONFIG, at, "unknown member; did you mean \"%s\"?", nearest);
    }
    return place_report(err, NK_E_CONFIG, at, "unknown member; remove it; known here are %s",
                        names);
}

static nk_status one_member(const struct member *table, const json_t *value, const struct place *at,
                            nk_error *err)
{
    const struct member *row = table;
    while (row->name != NULL && strcmp(row->name, at->name) != 0) {
        row++;
    }
    if (row->name == NULL) {
        return unknown(table, at, err);
    }
    nk_status status = row->check(row, value, at, err);
    if (status == NK_OK && row->since == LATER) {
        return place_report(err, NK_E_UNSUPPORTED, at,
                            "known but not enforced by this version (" NODEKEY_VERSION
                            "); remove it");
    }
    return status;
}

nk_status type_object(const struct member *member, const json_t *value, const struct place *at,
                      nk_error *err)
{
    if (!json_is_object(value)) {
        return type_wrong("an object", value, at, err);
    }
    for (void *i = json_object_iter((json_t *)value); i != NULL;
         i = json_object_iter_next((json_t *)value, i)) {
        struct place place = place_member(at, json_object_iter_key(i));
        nk_status status = one_member(member->inside, json_object_iter_value(i), &place, err);
        if (status != NK_OK) {
            return status;
        }
    }
    for (const struct member *row = member->inside; row->name != NULL; row++) {
        if (row->required && json_object_get(value, row->name) == NULL) {
            struct place place = place_member(at, row->name);
            return place_report(err, NK_E_CONFIG, &place, "missing; it is required");
        }
    }
    return NK_OK;
}
