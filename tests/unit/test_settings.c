/* SPDX-License-Identifier: Apache-2.0
 * Every setting of the configuration's table: what its absence means, its range, what is refused,
 * where it lies, whether a reload may change it, and whether a policy's digest tells it. A row that
 * says too little fails, so that none is forgotten. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/auto.h"
#include "config/config.h"
#include "config/config_walk.h"
#include "fixtures/rows.h"
#include "judge/digest.h"

#define PATH_BYTES 128
#define SETTINGS_MAX 100

DEFINE_AUTO(json_t *, json_decref);
DEFINE_AUTO(struct rule_set *, rule_set_unref);

static struct setting settings[SETTINGS_MAX];
static char names[SETTINGS_MAX][PATH_BYTES];
static size_t settings_len;

/* --- a document with one setting --- */

/* Neither role's object is empty, so that both say who we are whatever else is in them. */
#define BASE                                                                                       \
    "{\"version\": 1, \"node\": {\"module\": \"softhsm\", \"key\": \"pkcs11:\", "                  \
    "\"certificate\": \"a.pem\", \"pin\": {\"file\": \"p\"}}, "                                    \
    "\"server\": {\"allow_imported\": false}, \"client\": {\"allow_imported\": false}, "           \
    "\"federation\": {\"roots\": [\"ca.pem\"]}, "                                                  \
    "\"admit\": [{\"name\": \"m\", \"uri\": [\"spiffe://f.example/a\"]}]}"

/* A value that differs from absence, for settings that are neither number, flag nor choice. */
static const struct other {
    const char *name;
    const char *json;
} others[] = {
    { "module", "\"/other.so\"" },
    { "key", "\"pkcs11:object=other\"" },
    { "certificate", "\"other.pem\"" },
    { "pin", "{\"fd\": 7}" },
    { "roots", "[\"other.pem\"]" },
    { "crls", "[\"other.crl\"]" },
    { "admit", "[{\"name\": \"o\", \"uri\": [\"spiffe://f.example/o\"]}]" },
    { "deny", "[{\"name\": \"o\", \"cn\": [\"o\"]}]" },
    { "admit_candidate", "[{\"name\": \"o\", \"cn\": [\"o\"]}]" },
    { "state_dir", "\"/other\"" },
    { "file", "\"/other.log\"" },
};

/* What a document needs beside settings of this object, unless it is there. */
static void add_company(json_t *object, const char *name, bool off)
{
    if (strcmp(name, "federation") == 0 && !off && json_object_get(object, "crls") == NULL) {
        json_object_set_new(object, "crls", json_pack("[s]", "ca.crl"));
    }
    if (strcmp(name, "audit") == 0 && json_object_get(object, "file") == NULL) {
        json_object_set_new(object, "file", json_string("audit.log"));
    }
}

/* `value` is consumed; NULL: the setting is absent, and its company is there. Owned; each member
 * has a line of its own. */
static char *document_with(const struct setting *setting, json_t *value)
{
    AUTO(json_decref) json_t *root = json_loads(BASE, 0, NULL);
    const char *name = setting->row->name;
    json_t *object = root;
    bool off =
        value != NULL && json_is_string(value) && strcmp(json_string_value(value), "off") == 0;

    assert_non_null(root);
    if (setting->object != NULL) {
        if (json_object_get(root, setting->object->name) == NULL) {
            json_object_set_new(root, setting->object->name, json_object());
        }
        object = json_object_get(root, setting->object->name);
    }
    if (value != NULL) {
        json_object_set_new(object, name, value);
    }
    bool alone = value == NULL && (strcmp(name, "crls") == 0 || strcmp(name, "file") == 0);
    if (setting->object != NULL && !alone) {
        add_company(object, setting->object->name, off);
    }
    if (json_object_size(object) == 0) {
        json_object_del(root, setting->object->name);
    }
    return json_dumps(root, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
}

static struct config *parse_with(const struct setting *setting, json_t *value)
{
    AUTO(free) char *text = document_with(setting, value);
    struct config *config = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    if (config_parse(text, "/etc/nodekey", &config, &err) != NK_OK) {
        fail_msg("%s: %s", text, err.text);
    }
    return config;
}

/* Refused, by path and by the line of the setting's name. */
static void refuse_with(const struct setting *setting, json_t *value)
{
    AUTO(free) char *text = document_with(setting, value);
    struct config *config = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    char path[PATH_BYTES];
    char quoted[PATH_BYTES];
    size_t line = 0;
    int len = 0;
    const char *dot = setting->object != NULL ? "." : "";
    snprintf(path, sizeof(path), "%s%s%s: ", setting->object != NULL ? setting->object->name : "",
             dot, setting->row->name);
    snprintf(quoted, sizeof(quoted), "\"%s\": ", setting->row->name);

    assert_int_equal(config_parse(text, "/etc/nodekey", &config, &err), NK_E_CONFIG);
    assert_int_equal(sscanf(err.text, "line %zu: %n", &line, &len), 1);
    if (strncmp(err.text + len, path, strlen(path)) != 0) {
        fail_msg("\"%s\" does not name %s", err.text, path);
    }
    const char *at = text;
    for (size_t i = 1; i < line; i++) {
        at = strchr(at, '\n') + 1;
    }
    assert_int_equal(strncmp(at + strspn(at, " "), quoted, strlen(quoted)), 0);
}

/* A value that differs from absence; NULL: there is none, as for the version. */
static json_t *other_value(const struct setting *setting)
{
    const struct member *row = setting->row;

    if (row->type == &type_number) {
        unsigned number = row->max != row->absent ? row->max : row->min;
        return row->min != row->max ? json_integer(number) : NULL;
    }
    if (row->type == &type_flag) {
        return json_boolean(row->absent == 0);
    }
    if (row->type == &type_choice) {
        size_t i = strcmp(row->name, "crl_mode") == 0 ? 1 : 0; /* hard is what lists mean */
        i += row->choices[i].value == row->absent;
        return json_string(row->choices[i].text);
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        if (strcmp(others[i].name, row->name) == 0) {
            return json_loads(others[i].json, JSON_DECODE_ANY, NULL);
        }
    }
    fail_msg("%s: add another value for it to this file", row->name);
    return NULL;
}

/* --- what each row says --- */

static const void *value_in(const struct config *config, const struct setting *setting)
{
    return (const char *)config + setting->at;
}

static void assert_holds(const struct setting *setting, const struct config *config, unsigned want)
{
    unsigned held = setting->row->type == &type_flag ? *(const bool *)value_in(config, setting)
                                                     : *(const unsigned *)value_in(config, setting);
    assert_int_equal(held, want);
}

static bool is_scalar(const struct setting *setting)
{
    const struct type *type = setting->row->type;
    return type == &type_number || type == &type_flag || type == &type_choice;
}

static void takes(const struct setting *setting, json_t *value, unsigned want)
{
    AUTO(config_free) struct config *config = parse_with(setting, value);
    assert_holds(setting, config, want);
}

static void check_absence(const struct setting *setting)
{
    AUTO(free) char *text = NULL;
    AUTO(config_free) struct config *config = NULL;
    const struct member *row = setting->row;

    assert_int_equal(config_parse(BASE, "/etc/nodekey", &config, NULL), NK_OK);
    if (is_scalar(setting) && !row->required) {
        assert_holds(setting, config, row->absent);
    } else if (row->type == &type_path) {
        assert_null(*(char *const *)value_in(config, setting));
    }
}

static void check_range(const struct setting *setting)
{
    const struct member *row = setting->row;

    if (row->type == &type_number) {
        refuse_with(setting, json_integer((json_int_t)row->min - 1));
        refuse_with(setting, json_integer((json_int_t)row->max + 1));
        refuse_with(setting, json_real(row->min + 0.5));
        takes(setting, json_integer(row->min), row->min);
        takes(setting, json_integer(row->max), row->max);
    } else if (row->type == &type_flag) {
        takes(setting, json_true(), true);
        takes(setting, json_false(), false);
    } else if (row->type == &type_choice) {
        refuse_with(setting, json_string("nonsense"));
        for (const struct choice *one = row->choices; one->text != NULL; one++) {
            takes(setting, json_string(one->text), one->value);
        }
    }
    refuse_with(setting, row->type == &type_flag ? json_string("true") : json_false());
    refuse_with(setting, json_null());
}

/* Of a setting that a reload may not change, the fresh configuration keeps the value in force. */
static void check_reload(const struct setting *setting)
{
    const struct member *row = setting->row;
    json_t *value = other_value(setting);
    char path[CONFIG_PATH_BYTES];
    char want[PATH_BYTES];

    assert_true(row->effect == AT_START || row->effect == AT_RELOAD);
    if (value == NULL) {
        return;
    }
    AUTO(config_free) struct config *current = parse_with(setting, NULL);
    AUTO(config_free) struct config *before = parse_with(setting, NULL);
    AUTO(config_free) struct config *fresh = parse_with(setting, value);
    assert_int_equal(config_keep(fresh, current, path), row->effect == AT_START);
    walk_path(setting, want, sizeof(want));
    assert_string_equal(path, row->effect == AT_START ? want : "");
    const void *a = value_in(before, setting);
    const void *b = value_in(fresh, setting);
    bool kept =
        row->type->same != NULL ? row->type->same(a, b) : memcmp(a, b, row->type->size) == 0;
    assert_int_equal(kept, row->effect == AT_START);
}

/* --- what a policy's digest tells --- */

static void digest_of(struct config *config, char hex[DIGEST_CHARS + 1])
{
    AUTO(rule_set_unref) struct rule_set *rules = NULL;
    STACK_OF(X509) *roots = sk_X509_new_null();
    assert_int_equal(rule_set_new(config, &rules, NULL), NK_OK);
    assert_int_equal(digest_policy(&config->federation, roots, rules, hex, NULL), NK_OK);
    sk_X509_free(roots);
}

static void check_digest(const struct setting *setting)
{
    char one[DIGEST_CHARS + 1];
    char other[DIGEST_CHARS + 1];

    if (setting->object == NULL || strcmp(setting->object->name, "federation") != 0 ||
        !is_scalar(setting)) {
        return;
    }
    AUTO(config_free) struct config *absent = parse_with(setting, NULL);
    AUTO(config_free) struct config *set = parse_with(setting, other_value(setting));
    digest_of(absent, one);
    digest_of(set, other);
    assert_string_not_equal(one, other);
}

static void check_setting(void **state)
{
    const struct setting *setting = *state;

    check_absence(setting);
    check_range(setting);
    check_reload(setting);
    check_digest(setting);
}

/* A row that does not say where its setting lies would write to another's place. */
static void each_lies_in_a_place_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < settings_len; i++) {
        size_t end = settings[i].at + settings[i].row->type->size;
        assert_true(end <= sizeof(struct config));
        for (size_t j = 0; j < settings_len; j++) {
            size_t other_end = settings[j].at + settings[j].row->type->size;
            if (i != j && settings[i].at < other_end && settings[j].at < end) {
                fail_msg("%s and %s lie in one place", names[i], names[j]);
            }
        }
    }
}

/* Keys that openssl.cnf describes have no row to be read by. */
static void defaults_without_a_document_are_the_same(void **state)
{
    (void)state;
    const struct hsm_token_settings defaults = HSM_TOKEN_DEFAULTS;
    AUTO(config_free) struct config *config = NULL;

    assert_int_equal(config_parse(BASE, "/etc/nodekey", &config, NULL), NK_OK);
    assert_memory_equal(&config->token, &defaults, sizeof(defaults));
}

static bool add_setting(const struct setting *setting, void *arg)
{
    (void)arg;
    if (settings_len == SETTINGS_MAX) {
        abort();
    }
    settings[settings_len] = *setting;
    snprintf(names[settings_len++], PATH_BYTES, "%s%s%s",
             setting->object != NULL ? setting->object->name : "",
             setting->object != NULL ? "." : "", setting->row->name);
    return true;
}

int main(void)
{
    (void)walk_settings(add_setting, NULL);
    for (size_t i = 0; i < settings_len; i++) {
        rows_add(names[i], check_setting, &settings[i]);
    }
    ROWS_TEST(each_lies_in_a_place_of_its_own);
    ROWS_TEST(defaults_without_a_document_are_the_same);
    return ROWS_RUN("settings", NULL, NULL);
}
