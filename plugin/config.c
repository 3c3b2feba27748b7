/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_members.h"
#include "config_whole.h"
#include "file.h"
#include "json_lines.h"
#include "report.h"

#define MAX_SESSIONS 16u
#define LOGIN_TIMEOUT_MS 10000u
#define VERIFY_TIMEOUT_MS 1000u

DEFINE_AUTO(char *, free);
DEFINE_AUTO(json_t *, json_decref);

/* A checked document, on its way into a config. */
struct reading {
    const json_t *root;
    const char *base_dir;
    const struct place *document;
};

static nk_status copy(const char *text, char **ret_copy, nk_error *err)
{
    char *fresh = strdup(text);
    if (fresh == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    *ret_copy = fresh;
    return NK_OK;
}

static nk_status make_absolute(const char *base_dir, const char *path, char **ret_path,
                               nk_error *err)
{
    char *joined = NULL;

    if (path[0] == '/') {
        return copy(path, ret_path, err);
    }
    const char *slash = base_dir[strlen(base_dir) - 1] == '/' ? "" : "/";
    if (asprintf(&joined, "%s%s%s", base_dir, slash, path) < 0) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    *ret_path = joined;
    return NK_OK;
}

static nk_status read_pin(const struct reading *reading, const json_t *pin,
                          struct config_identity *mine, nk_error *err)
{
    const char *file = members_text(pin, "file");
    const char *credential = members_text(pin, "credential");

    mine->pin_fd = -1;
    if (file != NULL) {
        mine->pin_kind = HSM_PIN_FILE;
        return make_absolute(reading->base_dir, file, &mine->pin_where, err);
    }
    if (credential != NULL) {
        mine->pin_kind = HSM_PIN_CREDENTIAL;
        return copy(credential, &mine->pin_where, err);
    }
    if (members_flag(pin, "prompt", false)) {
        mine->pin_kind = HSM_PIN_PROMPT;
        return NK_OK;
    }
    mine->pin_kind = HSM_PIN_FD;
    mine->pin_fd = (int)members_number(pin, "fd", 0);
    return NK_OK;
}

static nk_status read_identity(const struct reading *reading, const char *role,
                               struct config_identity *mine, nk_error *err)
{
    const json_t *root = reading->root;

    nk_status status =
        copy(json_string_value(members_pick(root, role, "module")), &mine->module, err);
    if (status == NK_OK) {
        status = copy(json_string_value(members_pick(root, role, "key")), &mine->key, err);
    }
    if (status == NK_OK) {
        status = make_absolute(reading->base_dir,
                               json_string_value(members_pick(root, role, "certificate")),
                               &mine->certificate, err);
    }
    if (status == NK_OK) {
        status = read_pin(reading, members_pick(root, role, "pin"), mine, err);
    }
    mine->allow_extractable = json_is_true(members_pick(root, role, "allow_extractable"));
    mine->allow_imported = json_is_true(members_pick(root, role, "allow_imported"));
    mine->require_hardware = json_is_true(members_pick(root, role, "require_hardware"));
    return status;
}

static nk_status read_federation(const struct reading *reading, struct config *config,
                                 nk_error *err)
{
    const json_t *federation = json_object_get(reading->root, "federation");
    const json_t *roots = json_object_get(federation, "roots");
    size_t len = json_array_size(roots);

    config->roots = calloc(len, sizeof(*config->roots));
    if (config->roots == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    for (; config->roots_len < len; config->roots_len++) {
        const char *path = json_string_value(json_array_get(roots, config->roots_len));
        nk_status status =
            make_absolute(reading->base_dir, path, &config->roots[config->roots_len], err);
        if (status != NK_OK) {
            return status;
        }
    }
    const char *server_name = members_text(federation, "server_name");
    if (server_name != NULL && strcmp(server_name, "rule") == 0) {
        config->server_name = SERVER_NAME_RULE;
    }
    config->strict = members_flag(federation, "strict", true);
    return NK_OK;
}

static unsigned read_directions(const json_t *rule)
{
    const char *direction = members_text(rule, "direction");
    if (direction == NULL) {
        return NK_PEER_IS_CLIENT | NK_PEER_IS_SERVER;
    }
    return strcmp(direction, "inbound") == 0 ? NK_PEER_IS_CLIENT : NK_PEER_IS_SERVER;
}

static nk_status read_rule(const json_t *rule, const struct place *at, struct rule_list *list,
                           nk_error *err)
{
    nk_status status =
        rule_list_append(list, members_text(rule, "name"), read_directions(rule), err);
    if (status != NK_OK) {
        return place_where(err, status, at);
    }
    for (int member = 0; member < RULE_MEMBERS; member++) {
        const char *name = rule_member_name((enum rule_member)member);
        const json_t *values = json_object_get(rule, name);
        for (size_t i = 0; i < json_array_size(values); i++) {
            struct place array = place_member(at, name);
            struct place place = place_element(&array, i);
            status = rule_list_add(list, (enum rule_member)member,
                                   json_string_value(json_array_get(values, i)), err);
            if (status != NK_OK) {
                return place_where(err, status, &place);
            }
        }
    }
    return NK_OK;
}

/* "all-certified" has no elements: its list stays empty. */
static nk_status read_rules(const struct reading *reading, const char *name, struct rule_list *list,
                            nk_error *err)
{
    const json_t *rules = json_object_get(reading->root, name);
    struct place array = place_member(reading->document, name);

    for (size_t i = 0; i < json_array_size(rules); i++) {
        struct place place = place_element(&array, i);
        nk_status status = read_rule(json_array_get(rules, i), &place, list, err);
        if (status != NK_OK) {
            return status;
        }
    }
    return NK_OK;
}

static bool overrides_nothing(const json_t *root)
{
    return json_object_size(json_object_get(root, "server")) == 0 &&
           json_object_size(json_object_get(root, "client")) == 0;
}

static nk_status read_all(const struct reading *reading, struct config *config, nk_error *err)
{
    const json_t *token = json_object_get(reading->root, "token");
    const json_t *host = json_object_get(reading->root, "host");

    config->one_identity = overrides_nothing(reading->root);
    config->all_certified = json_is_string(json_object_get(reading->root, "admit"));
    config->max_sessions = members_number(token, "max_sessions", MAX_SESSIONS);
    config->login_timeout_ms = members_number(token, "login_timeout_ms", LOGIN_TIMEOUT_MS);
    config->verify_timeout_ms = members_number(host, "verify_timeout_ms", VERIFY_TIMEOUT_MS);
    nk_status status = read_identity(reading, "server", &config->ours[OUR_SERVER], err);
    if (status == NK_OK) {
        status = read_identity(reading, "client", &config->ours[OUR_CLIENT], err);
    }
    if (status == NK_OK) {
        status = read_federation(reading, config, err);
    }
    if (status == NK_OK) {
        status = read_rules(reading, "admit", &config->admit, err);
    }
    if (status == NK_OK) {
        status = read_rules(reading, "deny", &config->deny, err);
    }
    return status;
}

/* jansson quotes the token it stumbled over, and that may be a PIN or a URI that holds one. The
 * name in a duplicate is none, and needed. */
static nk_status syntax_error(const struct json_source *source, json_error_t *why, nk_error *err)
{
    if (why->line < 1) { /* it did not come to reading */
        return report(err, NK_E_NOMEM, "out of memory");
    }
    char *near = strstr(why->text, " near ");
    if (near != NULL && json_error_code(why) != json_error_duplicate_key) {
        *near = '\0';
    }
    return report(err, NK_E_CONFIG, "%s%sline %d: not valid JSON: %s (column %d)",
                  source->name != NULL ? source->name : "", source->name != NULL ? " " : "",
                  why->line, why->text, why->column);
}

static nk_status parse(const struct json_source *source, const char *base_dir,
                       struct config **ret_config, nk_error *err)
{
    struct place document = place_root(source);
    json_error_t why;

    /* A NUL in a string is let through to be refused with its path. */
    AUTO(json_decref)
    json_t *root =
        json_loadb(source->text, source->len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (root == NULL) {
        return syntax_error(source, &why, err);
    }
    nk_status status = members_check(root, &document, err);
    if (status == NK_OK) {
        status = whole_check(root, &document, err);
    }
    if (status != NK_OK) {
        return status;
    }
    struct config *config = calloc(1, sizeof(*config));
    if (config == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    const struct reading reading = { root, base_dir, &document };
    status = read_all(&reading, config, err);
    if (status != NK_OK) {
        config_free(config);
        return status;
    }
    *ret_config = config;
    return NK_OK;
}

nk_status config_parse(const char *text, const char *base_dir, struct config **ret_config,
                       nk_error *err)
{
    size_t len = strnlen(text, CONFIG_MAX_BYTES + 1);
    if (len > CONFIG_MAX_BYTES) {
        return report(err, NK_E_CONFIG, "configuration is longer than %zu bytes", CONFIG_MAX_BYTES);
    }
    if (base_dir[0] != '/') {
        return report(err, NK_E_USAGE, "base_dir must be an absolute path");
    }
    const struct json_source source = { NULL, text, len };
    return parse(&source, base_dir, ret_config, err);
}

nk_status config_read(const char *path, struct config **ret_config, nk_error *err)
{
    AUTO(free) char *text = NULL;
    size_t len = 0;

    AUTO(free) char *folder = file_folder(path);
    if (folder == NULL) {
        return report_errno(err, NK_E_CONFIG, "%s: find its folder", path);
    }
    nk_status status = file_read(path, CONFIG_MAX_BYTES, NK_E_CONFIG, &text, &len, err);
    if (status != NK_OK) {
        return status;
    }
    const struct json_source source = { path, text, len };
    return parse(&source, folder, ret_config, err);
}

void config_free(struct config *config)
{
    if (config == NULL) {
        return;
    }
    for (int role = 0; role < OUR_ROLES; role++) {
        free(config->ours[role].module);
        free(config->ours[role].key);
        free(config->ours[role].certificate);
        free(config->ours[role].pin_where);
    }
    for (size_t i = 0; i < config->roots_len; i++) {
        free(config->roots[i]);
    }
    free(config->roots);
    rule_list_clear(&config->admit);
    rule_list_clear(&config->deny);
    free(config);
}
