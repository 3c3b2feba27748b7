/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/report.h"
#include "config/config_members.h"
#include "config/config_rules.h"
#include "config/config_whole.h"
#include "config/json_lines.h"

#define VERIFY_TIMEOUT_MS 1000u
#define AUDIT_PER_PEER_PER_MINUTE 60u
#define RELOAD_INTERVAL_SECONDS 5u

DEFINE_AUTO(char *, free);
DEFINE_AUTO(json_t *, json_decref);

/* A checked document, on its way into a config. */
struct reading {
    const json_t *root;
    const char *base_dir;
    const struct place *document;
};

static nk_status copy_text(const char *text, char **ret_copy, nk_error *err)
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
        return copy_text(path, ret_path, err);
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

    mine->pin.fd = -1;
    if (file != NULL) {
        mine->pin.kind = HSM_PIN_FILE;
        return make_absolute(reading->base_dir, file, (char **)&mine->pin.where, err);
    }
    if (credential != NULL) {
        mine->pin.kind = HSM_PIN_CREDENTIAL;
        return copy_text(credential, (char **)&mine->pin.where, err);
    }
    if (members_flag(pin, "protected", false)) {
        mine->pin.kind = HSM_PIN_PROTECTED;
        return NK_OK;
    }
    if (members_flag(pin, "prompt", false)) {
        mine->pin.kind = HSM_PIN_PROMPT;
        return NK_OK;
    }
    mine->pin.kind = HSM_PIN_FD;
    mine->pin.fd = (int)members_number(pin, "fd", 0);
    return NK_OK;
}

bool config_is_uri(const char *certificate)
{
    static const char scheme[] = "pkcs11:";
    return strncasecmp(certificate, scheme, sizeof(scheme) - 1) == 0;
}

static nk_status read_certificate(const struct reading *reading, const char *text,
                                  char **ret_certificate, nk_error *err)
{
    return config_is_uri(text) ? copy_text(text, ret_certificate, err)
                               : make_absolute(reading->base_dir, text, ret_certificate, err);
}

static nk_status read_identity(const struct reading *reading, const char *role,
                               struct config_identity *mine, nk_error *err)
{
    const json_t *root = reading->root;

    nk_status status =
        copy_text(json_string_value(members_pick(root, role, "module")), &mine->module, err);
    if (status == NK_OK) {
        status = copy_text(json_string_value(members_pick(root, role, "key")), &mine->key, err);
    }
    if (status == NK_OK) {
        status =
            read_certificate(reading, json_string_value(members_pick(root, role, "certificate")),
                             &mine->certificate, err);
    }
    if (status == NK_OK) {
        status = read_pin(reading, members_pick(root, role, "pin"), mine, err);
    }
    mine->custody.allow_extractable = json_is_true(members_pick(root, role, "allow_extractable"));
    mine->custody.allow_imported = json_is_true(members_pick(root, role, "allow_imported"));
    mine->custody.require_hardware = json_is_true(members_pick(root, role, "require_hardware"));
    return status;
}

/* *ret_len counts what was made also on failure, for config_free. */
static nk_status read_paths(const struct reading *reading, const json_t *paths, char ***ret_paths,
                            size_t *ret_len, nk_error *err)
{
    size_t len = json_array_size(paths);

    *ret_paths = calloc(len + 1, sizeof(**ret_paths));
    if (*ret_paths == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    for (; *ret_len < len; (*ret_len)++) {
        nk_status status =
            make_absolute(reading->base_dir, json_string_value(json_array_get(paths, *ret_len)),
                          &(*ret_paths)[*ret_len], err);
        if (status != NK_OK) {
            return status;
        }
    }
    return NK_OK;
}

static void read_crl_settings(const json_t *federation, struct crl_settings *crl)
{
    const char *mode = members_text(federation, "crl_mode");

    crl->grace_hours = members_number(federation, "crl_grace_hours", 0);
    crl->max_age_hours = members_number(federation, "crl_max_age_hours", 0);
    crl->mode = json_object_get(federation, "crls") != NULL ? CRL_HARD : CRL_OFF;
    if (mode != NULL && strcmp(mode, "soft") == 0) {
        crl->mode = CRL_SOFT;
    }
}

static nk_status read_federation(const struct reading *reading, struct config *config,
                                 nk_error *err)
{
    const json_t *federation = json_object_get(reading->root, "federation");
    const char *server_name = members_text(federation, "server_name");

    if (server_name != NULL && strcmp(server_name, "rule") == 0) {
        config->server_name = SERVER_NAME_RULE;
    }
    config->strict = members_flag(federation, "strict", true);
    read_crl_settings(federation, &config->crl);
    nk_status status = read_paths(reading, json_object_get(federation, "roots"), &config->roots,
                                  &config->roots_len, err);
    return status == NK_OK ? read_paths(reading, json_object_get(federation, "crls"), &config->crls,
                                        &config->crls_len, err)
                           : status;
}

static nk_status read_rules(const struct reading *reading, const char *name, struct rule_list *list,
                            nk_error *err)
{
    struct place array = place_member(reading->document, name);
    return config_rules_read(json_object_get(reading->root, name), &array, list, err);
}

static nk_status read_optional_path(const struct reading *reading, const char *path,
                                    char **ret_path, nk_error *err)
{
    return path != NULL ? make_absolute(reading->base_dir, path, ret_path, err) : NK_OK;
}

static nk_status read_operation(const struct reading *reading, struct config *config, nk_error *err)
{
    const json_t *token = json_object_get(reading->root, "token");
    const json_t *host = json_object_get(reading->root, "host");
    const json_t *grpc = json_object_get(reading->root, "grpc");
    const json_t *audit = json_object_get(reading->root, "audit");
    const json_t *reload = json_object_get(reading->root, "reload");

    config->token.max_sessions = members_number(token, "max_sessions", HSM_MAX_SESSIONS);
    config->token.max_waiting_inbound =
        members_number(token, "max_waiting_inbound", HSM_MAX_WAITING_INBOUND);
    config->token.sign_timeout_ms = members_number(token, "sign_timeout_ms", 0);
    config->token.login_timeout_ms =
        members_number(token, "login_timeout_ms", HSM_LOGIN_TIMEOUT_MS);
    config->verify_timeout_ms = members_number(host, "verify_timeout_ms", VERIFY_TIMEOUT_MS);
    config->lent_threads = members_number(grpc, "lent_threads", 0);
    config->audit_per_peer_per_minute =
        members_number(audit, "per_peer_per_minute", AUDIT_PER_PEER_PER_MINUTE);
    config->reload_interval_seconds =
        members_number(reload, "interval_seconds", RELOAD_INTERVAL_SECONDS);
    nk_status status =
        read_optional_path(reading, members_text(audit, "file"), &config->audit_file, err);
    return status == NK_OK ? read_optional_path(reading, members_text(reading->root, "state_dir"),
                                                &config->state_dir, err)
                           : status;
}

static bool overrides_nothing(const json_t *root)
{
    return json_object_size(json_object_get(root, "server")) == 0 &&
           json_object_size(json_object_get(root, "client")) == 0;
}

static nk_status read_all(const struct reading *reading, struct config *config, nk_error *err)
{
    config->one_identity = overrides_nothing(reading->root);
    config->all_certified = json_is_string(json_object_get(reading->root, "admit"));
    config->has_candidate = json_object_get(reading->root, "admit_candidate") != NULL;
    nk_status status = read_identity(reading, "server", &config->identities[OUR_SERVER], err);
    if (status == NK_OK) {
        status = read_identity(reading, "client", &config->identities[OUR_CLIENT], err);
    }
    if (status == NK_OK) {
        status = read_federation(reading, config, err);
    }
    if (status == NK_OK) {
        status = read_operation(reading, config, err);
    }
    if (status == NK_OK) {
        status = read_rules(reading, "admit", &config->admit, err);
    }
    if (status == NK_OK) {
        status = read_rules(reading, "deny", &config->deny, err);
    }
    return status == NK_OK ? read_rules(reading, "admit_candidate", &config->admit_candidate, err)
                           : status;
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

static void free_paths(char **paths, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        free(paths[i]);
    }
    free(paths);
}

void config_free(struct config *config)
{
    if (config == NULL) {
        return;
    }
    for (int role = 0; role < OUR_ROLES; role++) {
        free(config->identities[role].module);
        free(config->identities[role].key);
        free(config->identities[role].certificate);
        free((char *)config->identities[role].pin.where);
    }
    free_paths(config->roots, config->roots_len);
    free_paths(config->crls, config->crls_len);
    free(config->state_dir);
    free(config->audit_file);
    rule_list_clear(&config->admit);
    rule_list_clear(&config->deny);
    rule_list_clear(&config->admit_candidate);
    free(config);
}

struct hsm_key_request config_key_request(const struct config *config, int role)
{
    const struct config_identity *ours = &config->identities[role];

    return (struct hsm_key_request){ .module = ours->module,
                                     .uri = ours->key,
                                     .pin = ours->pin,
                                     .custody = ours->custody,
                                     .token = config->token,
                                     .state_dir = config->state_dir };
}
