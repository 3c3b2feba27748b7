/* SPDX-License-Identifier: Apache-2.0
 * The published schema and README's tables say of settings and of members of rules what our tables
 * say: names, types, ranges, defaults. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/auto.h"
#include "config/config_members.h"
#include "config/config_object.h"
#include "config/config_rules.h"
#include "contract/readme_text.h"
#include "fixtures/check.h"
#include "rules/rule_member.h"

#define PATH_BYTES 128
#define NAME_BYTES 64
#define CONFIGURATION "\n## Configuration\n"

static json_t *schema;

static int read_all(void **state)
{
    schema = json_load_file(SCHEMA, 0, NULL);
    assert_non_null(schema);
    return readme_read(state);
}

static int free_all(void **state)
{
    (void)state;
    json_decref(schema);
    return 0;
}

/* --- the schema --- */

/* "#/$defs/identity" is what a reference names. */
static const json_t *resolve(const json_t *property)
{
    const char *reference = json_string_value(json_object_get(property, "$ref"));
    return reference != NULL
               ? json_object_get(json_object_get(schema, "$defs"), strrchr(reference, '/') + 1)
               : property;
}

static void assert_text(const json_t *object, const char *name, const char *want, const char *path)
{
    const char *text = json_string_value(json_object_get(object, name));
    if (text == NULL || strcmp(text, want) != 0) {
        fail_msg("schema: %s: %s is \"%s\", not \"%s\"", path, name, text != NULL ? text : "",
                 want);
    }
}

static void assert_number(const json_t *object, const char *name, unsigned want, const char *path)
{
    const json_t *number = json_object_get(object, name);
    if (!json_is_integer(number) || json_integer_value(number) != (json_int_t)want) {
        fail_msg("schema: %s: %s is not %u", path, name, want);
    }
}

static void check_number(const struct member *row, const json_t *property, const char *path)
{
    const json_t *absent = json_object_get(property, "default");

    if (row->min == row->max) {
        assert_number(property, "const", row->min, path);
        return;
    }
    assert_text(property, "type", "integer", path);
    assert_number(property, "minimum", row->min, path);
    assert_number(property, "maximum", row->max, path);
    if (absent != NULL) {
        assert_number(property, "default", row->absent, path);
    } else if (row->absent != 0 || (row->min == 0 && row->effect != EACH)) {
        fail_msg("schema: %s: has no default, which is %u", path, row->absent);
    }
}

static void check_choice(const struct member *row, const json_t *property, const char *path)
{
    const json_t *texts = json_object_get(property, "enum");
    const json_t *absent = json_object_get(property, "default");
    size_t len = 0;

    for (; row->choices[len].text != NULL; len++) {
        const char *text = json_string_value(json_array_get(texts, len));
        assert_string_equal(text != NULL ? text : "", row->choices[len].text);
    }
    assert_int_equal(json_array_size(texts), len);
    if (absent != NULL) {
        assert_int_equal(type_find_choice(row->choices, json_string_value(absent))->value,
                         row->absent);
    } else if (strcmp(row->name, "crl_mode") != 0) { /* which depends on crls */
        fail_msg("schema: %s has no default", path);
    }
}

static void check_texts(const json_t *property, const char *path)
{
    const json_t *items = json_object_get(property, "items");
    assert_text(property, "type", "array", path);
    assert_number(property, "minItems", 1, path);
    assert_text(items, "type", "string", path);
    assert_number(items, "minLength", 1, path);
}

static void check_object_of(const struct member *table, const json_t *object, const char *path);

static void check_property(const struct member *row, const json_t *property, const char *path)
{
    const struct type *type = row->type;

    if (type == &type_number) {
        check_number(row, property, path);
    } else if (type == &type_choice) {
        check_choice(row, property, path);
    } else if (type == &type_flag) {
        assert_text(property, "type", "boolean", path);
        assert_int_equal(json_is_true(json_object_get(property, "default")), row->absent);
        assert_true(json_is_boolean(json_object_get(property, "default")));
    } else if (type == &type_text || type == &type_word || type == &type_path ||
               type == &type_path_or_uri) {
        assert_text(property, "type", "string", path);
        assert_number(property, "minLength", 1, path);
    } else if (type == &type_texts || type == &type_paths) {
        check_texts(property, path);
    } else if (type == &type_true) {
        assert_true(json_is_true(json_object_get(property, "const")));
    } else if (row->inside != NULL) {
        check_object_of(row->inside, property, path);
    } else if (type == &type_rules) {
        assert_text(property, "type", "array", path);
    } else if (type == &type_admit) {
        assert_int_equal(json_array_size(json_object_get(property, "oneOf")), 2);
    } else if (type == &type_days) {
        assert_text(property, "type", "array", path);
    } else {
        fail_msg("%s: this file does not know its type", path);
    }
}

static bool is_required(const json_t *object, const char *name)
{
    const json_t *required = json_object_get(object, "required");
    for (size_t i = 0; i < json_array_size(required); i++) {
        if (strcmp(json_string_value(json_array_get(required, i)), name) == 0) {
            return true;
        }
    }
    return false;
}

static void check_object_of(const struct member *table, const json_t *object, const char *path)
{
    const json_t *properties = json_object_get(object, "properties");
    size_t len = 0;

    assert_true(json_is_false(json_object_get(object, "additionalProperties")));
    for (; table[len].name != NULL; len++) {
        char inner[PATH_BYTES];
        snprintf(inner, sizeof(inner), "%s%s%s", path, path[0] != '\0' ? "." : "", table[len].name);
        const json_t *property = json_object_get(properties, table[len].name);
        if (property == NULL) {
            fail_msg("schema: %s is absent", inner);
        }
        check_property(&table[len], resolve(property), inner);
        assert_int_equal(is_required(object, table[len].name), table[len].required);
    }
    if (json_object_size(properties) != len) {
        fail_msg("schema: \"%s\" has %zu members, our table %zu", path,
                 json_object_size(properties), len);
    }
}

static void schema_has_our_settings(void **state)
{
    (void)state;
    check_object_of(config_members, schema, "");
}

static void schema_has_our_members_of_rules(void **state)
{
    (void)state;
    const json_t *rule = json_object_get(json_object_get(schema, "$defs"), "rule");
    const json_t *properties = json_object_get(rule, "properties");

    assert_non_null(json_object_get(properties, "name"));
    assert_non_null(json_object_get(properties, "direction"));
    for (enum rule_member member = 0; member < RULE_MEMBERS; member++) {
        const char *name = rule_member_name(member);
        const json_t *property = json_object_get(properties, name);
        unsigned max = rule_member_max(member);
        if (property == NULL) {
            fail_msg("schema: rules have no %s", name);
        }
        if (max == 0) {
            check_texts(property, name);
            continue;
        }
        assert_text(property, "type", "integer", name);
        assert_number(property, "minimum", 1, name);
        assert_number(property, "maximum", max, name);
    }
    assert_int_equal(json_object_size(properties), RULE_MEMBERS + 2);
}

/* --- README --- */

/* The line that names a setting: `token.max_sessions`, `.max_sessions` or "max_sessions". */
static const char *line_that_names(const char *section, const char *object, const char *name)
{
    char spellings[3][PATH_BYTES];
    const char *at = NULL;

    snprintf(spellings[0], PATH_BYTES, "`%s%s%s`", object, object[0] != '\0' ? "." : "", name);
    snprintf(spellings[1], PATH_BYTES, "`.%s`", name);
    snprintf(spellings[2], PATH_BYTES, "\"%s\"", name);
    for (size_t i = 0; i < ARRAY_LEN(spellings) && at == NULL; i++) {
        at = strstr(section, spellings[i]);
    }
    while (at != NULL && at > section && at[-1] != '\n') {
        at--;
    }
    return at;
}

/* Does the number stand in the line by itself? */
static bool line_has(const char *line, unsigned number)
{
    size_t len = strcspn(line, "\n");
    char want[16];
    int digits = snprintf(want, sizeof(want), "%u", number);

    for (size_t i = 1; i + (size_t)digits < len; i++) {
        if (strncmp(line + i, want, (size_t)digits) == 0 && !isdigit((unsigned char)line[i - 1]) &&
            !isdigit((unsigned char)line[i + (size_t)digits])) {
            return true;
        }
    }
    return false;
}

static void check_table_in(const char *section, const char *object, const struct member *table)
{
    for (const struct member *row = table; row->name != NULL; row++) {
        if (strcmp(row->name, "version") == 0) { /* stands in the example */
            continue;
        }
        const char *line = line_that_names(section, object, row->name);
        if (row->inside != NULL && row->effect != LATER) {
            bool role = row->type == &type_default || row->over != NULL;
            check_table_in(section, role ? "node" : row->name, row->inside);
        } else if (line == NULL) {
            fail_msg("README does not name %s.%s", object, row->name);
        } else if (row->type == &type_number && row->absent != 0 && !line_has(line, row->absent)) {
            fail_msg("README: %s.%s: the default %u is not in \"%.100s\"", object, row->name,
                     row->absent, line);
        }
    }
}

static void readme_has_our_settings(void **state)
{
    (void)state;
    check_table_in(readme_section(CONFIGURATION), "", config_members);
}

static bool is_member(const char *name)
{
    for (enum rule_member member = 0; member < RULE_MEMBERS; member++) {
        if (strcmp(rule_member_name(member), name) == 0) {
            return true;
        }
    }
    return strcmp(name, "direction") == 0;
}

/* Names in backticks in the first column. */
static void readme_has_our_members_of_rules(void **state)
{
    (void)state;
    const char *at = readme_table(CONFIGURATION, "\n| member of a rule | matches |\n|---|---|\n");
    size_t count = 0;

    for (; *at == '|'; at = strchr(at, '\n') + 1) {
        const char *end = strstr(at, " | ");
        const char *open = strchr(at, '`');
        while (open != NULL && open < end) {
            char name[NAME_BYTES];
            snprintf(name, sizeof(name), "%.*s", (int)strcspn(open + 1, "`"), open + 1);
            if (!is_member(name)) {
                fail_msg("README: rules have no member \"%s\"", name);
            }
            count++;
            open = strchr(open + strlen(name) + 2, '`');
        }
    }
    assert_int_equal(count, RULE_MEMBERS + 1); /* and the direction */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schema_has_our_settings),
        cmocka_unit_test(schema_has_our_members_of_rules),
        cmocka_unit_test(readme_has_our_settings),
        cmocka_unit_test(readme_has_our_members_of_rules),
    };
    return cmocka_run_group_tests_name("config tables", tests, read_all, free_all);
}
