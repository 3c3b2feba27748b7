/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/report.h"
#include "config/settings.h"

/* --- checks --- */

#define NAMES_BYTES 400

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

nk_status check_text(const struct member *member, const json_t *value, const struct place *at,
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

const struct choice *type_find_choice(const struct choice *choices, const char *text)
{
    for (const struct choice *one = choices; one->text != NULL; one++) {
        if (strcmp(text, one->text) == 0) {
            return one;
        }
    }
    return NULL;
}

static nk_status check_choice(const struct member *member, const json_t *value,
                              const struct place *at, nk_error *err)
{
    nk_status status = check_text(member, value, at, err);
    if (status != NK_OK) {
        return status;
    }
    char names[NAMES_BYTES] = "";
    if (type_find_choice(member->choices, json_string_value(value)) != NULL) {
        return NK_OK;
    }
    for (const struct choice *one = member->choices; one->text != NULL; one++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof(names) - used, "%s\"%s\"", used > 0 ? ", " : "", one->text);
    }
    return place_report(err, NK_E_CONFIG, at, "must be one of %s", names);
}

static nk_status check_flag(const struct member *member, const json_t *value,
                            const struct place *at, nk_error *err)
{
    (void)member;
    return json_is_boolean(value) ? NK_OK : type_wrong("true or false", value, at, err);
}

static nk_status check_true(const struct member *member, const json_t *value,
                            const struct place *at, nk_error *err)
{
    (void)member;
    return json_is_true(value) ? NK_OK : type_wrong("true", value, at, err);
}

static nk_status check_number(const struct member *member, const json_t *value,
                              const struct place *at, nk_error *err)
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
    size_t gone = 0; /* elements with a fault, where the walk goes on: others take them for sound */
    for (size_t i = 0; i - gone < json_array_size(value); i++) {
        struct place element = place_element(at, i);
        nk_status status = one(member, json_array_get(value, i - gone), &element, err);
        bool bad = status != NK_OK;
        if (!place_goes_on(&element, &status, err)) {
            return status;
        }
        if (bad) {
            (void)json_array_remove((json_t *)value, i - gone);
            gone++;
        }
    }
    return NK_OK;
}

static nk_status check_texts(const struct member *member, const json_t *value,
                             const struct place *at, nk_error *err)
{
    return type_array(member, check_text, value, at, err);
}

static nk_status check_day(const struct member *member, const json_t *value, const struct place *at,
                           nk_error *err)
{
    (void)member;
    const struct member any_day = { .min = 1, .max = 3650 };
    return check_number(&any_day, value, at, err);
}

static nk_status check_days(const struct member *member, const json_t *value,
                            const struct place *at, nk_error *err)
{
    return type_array(member, check_day, value, at, err);
}

/* --- values in memory --- */

nk_status type_copy(const char *text, char **ret_copy, nk_error *err)
{
    char *fresh = strdup(text);
    if (fresh == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    *ret_copy = fresh;
    return NK_OK;
}

nk_status type_absolute(const char *path, const struct place *at, char **ret_path, nk_error *err)
{
    const char *base_dir = at->source->base_dir;
    char *joined = NULL;

    if (path[0] == '/') {
        return type_copy(path, ret_path, err);
    }
    const char *slash = base_dir[strlen(base_dir) - 1] == '/' ? "" : "/";
    if (asprintf(&joined, "%s%s%s", base_dir, slash, path) < 0) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    *ret_path = joined;
    return NK_OK;
}

/* Numbers, choices and flags. */
static nk_status read_scalar(const struct member *member, const json_t *value,
                             const struct place *at, void *to, nk_error *err)
{
    unsigned scalar = member->absent;

    (void)at, (void)err;
    if (json_is_string(value)) {
        scalar = type_find_choice(member->choices, json_string_value(value))->value;
    } else if (value != NULL) {
        scalar = json_is_integer(value) ? (unsigned)json_integer_value(value) : json_is_true(value);
    }
    if (member->type == &type_flag) {
        *(bool *)to = scalar != 0;
    } else {
        *(unsigned *)to = scalar;
    }
    return NK_OK;
}

static nk_status read_text(const struct member *member, const json_t *value, const struct place *at,
                           void *to, nk_error *err)
{
    (void)member, (void)at;
    return value != NULL ? type_copy(json_string_value(value), to, err) : NK_OK;
}

static nk_status read_path(const struct member *member, const json_t *value, const struct place *at,
                           void *to, nk_error *err)
{
    (void)member;
    return value != NULL ? type_absolute(json_string_value(value), at, to, err) : NK_OK;
}

static nk_status read_path_or_uri(const struct member *member, const json_t *value,
                                  const struct place *at, void *to, nk_error *err)
{
    bool uri = value != NULL && config_is_uri(json_string_value(value));
    return (uri ? read_text : read_path)(member, value, at, to, err);
}

static nk_status read_paths(const struct member *member, const json_t *value,
                            const struct place *at, void *to, nk_error *err)
{
    struct path_list *list = to;
    size_t len = json_array_size(value);

    list->paths = calloc(len + 1, sizeof(*list->paths));
    if (list->paths == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    for (; list->len < len; list->len++) {
        nk_status status =
            read_path(member, json_array_get(value, list->len), at, &list->paths[list->len], err);
        if (status != NK_OK) {
            return status;
        }
    }
    return NK_OK;
}

bool type_same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_text(const void *a, const void *b)
{
    return type_same_text(*(char *const *)a, *(char *const *)b);
}

static void clear_text(void *held)
{
    free(*(char **)held);
}

static void clear_paths(void *held)
{
    const struct path_list *list = held;

    for (size_t i = 0; i < list->len; i++) {
        free(list->paths[i]);
    }
    free(list->paths);
}

const struct type type_word = { check_text, 0, NULL, NULL, NULL };
const struct type type_true = { check_true, 0, NULL, NULL, NULL };
const struct type type_texts = { check_texts, 0, NULL, NULL, NULL };
const struct type type_days = { check_days, 0, NULL, NULL, NULL };
const struct type type_number = { check_number, sizeof(unsigned), read_scalar, NULL, NULL };
const struct type type_choice = { check_choice, sizeof(unsigned), read_scalar, NULL, NULL };
const struct type type_flag = { check_flag, sizeof(bool), read_scalar, NULL, NULL };
const struct type type_text = { check_text, sizeof(char *), read_text, same_text, clear_text };
const struct type type_path = { check_text, sizeof(char *), read_path, same_text, clear_text };
const struct type type_path_or_uri = { check_text, sizeof(char *), read_path_or_uri, same_text,
                                       clear_text };
const struct type type_paths = { check_texts, sizeof(struct path_list), read_paths, NULL,
                                 clear_paths };
