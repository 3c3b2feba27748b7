/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/report.h"
#include "config/config_members.h"
#include "config/config_walk.h"
#include "config/config_whole.h"

#define COLUMN_BYTES 24

DEFINE_AUTO(json_t *, json_decref);

static bool overrides_nothing(const json_t *root)
{
    return json_object_size(json_object_get(root, "server")) == 0 &&
           json_object_size(json_object_get(root, "client")) == 0;
}

/* Settings that no member says alone. "off" beside lists was refused; lists alone mean "hard". */
static nk_status derive_settings(const json_t *root, struct config *config, nk_error *err)
{
    config->one_identity = overrides_nothing(root);
    config->all_certified = json_is_string(json_object_get(root, "admit"));
    config->has_candidate = json_object_get(root, "admit_candidate") != NULL;
    if (config->crls.len > 0 && config->federation.crl.mode == CRL_OFF) {
        config->federation.crl.mode = CRL_HARD;
    }
    return config->state_dir != NULL ? NK_OK : file_state_directory(&config->state_dir, err);
}

/* The token that jansson stumbled over is cut from its text: it may be a PIN or a URI that holds
 * one. The name of a duplicate is neither, and needed. */
static nk_status report_syntax(const struct json_source *source, json_error_t *why, nk_error *err)
{
    if (why->line < 1) { /* nothing was read yet */
        return report(err, NK_E_NOMEM, "out of memory");
    }
    char column[COLUMN_BYTES] = ""; /* jansson counts what it has read of the line: maybe nothing */
    char *near = strstr(why->text, " near ");
    if (near != NULL && strcmp(near, " near end of file") != 0 &&
        json_error_code(why) != json_error_duplicate_key) {
        *near = '\0';
    }
    if (why->column > 0) {
        snprintf(column, sizeof(column), " (column %d)", why->column);
    }
    return report(err, NK_E_CONFIG, "%s%sline %d: not valid JSON: %s%s",
                  source->name != NULL ? source->name : "", source->name != NULL ? " " : "",
                  why->line, why->text, column);
}

/* The members, then the whole: what is left of a document with faults must be sound by itself. */
static nk_status check_document(const json_t *root, const struct place *document, nk_error *err)
{
    nk_status status = members_check(root, document, err);
    if (status != NK_OK) {
        return status;
    }
    if (place_faults(document) == 0) {
        status = whole_check(root, document, err);
    }
    if (status != NK_OK || place_faults(document) == 0) {
        return status;
    }
    struct json_source source = *document->source;
    struct place rest = place_root(&source);
    source.faults = NULL;
    status = members_check(root, &rest, NULL);
    return status == NK_OK ? whole_check(root, &rest, NULL) : status;
}

static nk_status read_document(const json_t *root, const struct place *document,
                               struct config **ret_config, nk_error *err)
{
    struct config *config = calloc(1, sizeof(*config));
    if (config == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    nk_status status = walk_read(root, document, config, err);
    if (status == NK_OK) {
        status = derive_settings(root, config, err);
    }
    if (!place_goes_on(document, &status, err)) {
        config_free(config);
        return status;
    }
    *ret_config = config;
    return NK_OK;
}

static nk_status parse_document(const struct json_source *source, struct config **ret_config,
                                nk_error *err)
{
    struct place document = place_root(source);
    json_error_t why;
    /* A NUL in a string is let through to be refused with its path. */
    AUTO(json_decref)
    json_t *root =
        json_loadb(source->text, source->len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (root == NULL) {
        return report_syntax(source, &why, err);
    }
    nk_status status = check_document(root, &document, err);
    return status == NK_OK ? read_document(root, &document, ret_config, err) : status;
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
    const struct json_source source = { NULL, base_dir, text, len, NULL };
    return parse_document(&source, ret_config, err);
}

static nk_status read_file(const char *path, struct json_faults *faults, struct config **ret_config,
                           nk_error *err)
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
    const struct json_source source = { path, folder, text, len, faults };
    return parse_document(&source, ret_config, err);
}

nk_status config_read(const char *path, struct config **ret_config, nk_error *err)
{
    return read_file(path, NULL, ret_config, err);
}

nk_status config_examine(const char *path, struct json_faults *faults, struct config **ret_config,
                         nk_error *err)
{
    return read_file(path, faults, ret_config, err);
}

void config_free(struct config *config)
{
    if (config != NULL) {
        walk_clear(config);
        free(config);
    }
}

struct hsm_key_request config_key_request(const struct config *config, int role)
{
    const struct config_identity *identity = &config->identities[role];

    return (struct hsm_key_request){ .module = identity->module,
                                     .uri = identity->key,
                                     .pin = identity->pin,
                                     .custody = identity->custody,
                                     .token = config->token,
                                     .state_dir = config->state_dir };
}

bool config_shares_pin(const struct config *config)
{
    return members_same_pin(&config->identities[OUR_SERVER].pin,
                            &config->identities[OUR_CLIENT].pin);
}

/* --- reloading --- */

struct keeping {
    char *fresh;
    char *current;
    char *path; /* of the first setting that was kept; "" before */
};

static void swap_bytes(char *a, char *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char byte = a[i];
        a[i] = b[i];
        b[i] = byte;
    }
}

static bool keep_setting(const struct setting *setting, void *arg)
{
    struct keeping *keeping = arg;
    const struct type *type = setting->row->type;
    char *fresh = keeping->fresh + setting->at;
    char *current = keeping->current + setting->at;
    bool same =
        type->same != NULL ? type->same(fresh, current) : memcmp(fresh, current, type->size) == 0;

    if (setting->row->effect == AT_START && !same) {
        swap_bytes(fresh, current, type->size);
        if (keeping->path[0] == '\0') {
            walk_path(setting, keeping->path, CONFIG_PATH_BYTES);
        }
    }
    return true;
}

bool config_keep(struct config *fresh, struct config *current, char path[CONFIG_PATH_BYTES])
{
    struct keeping keeping = { (char *)fresh, (char *)current, path };

    path[0] = '\0';
    (void)walk_settings(keep_setting, &keeping);
    if (path[0] == '\0' && fresh->one_identity != current->one_identity) {
        snprintf(path, CONFIG_PATH_BYTES, "server or client");
    }
    fresh->one_identity = current->one_identity;
    return path[0] != '\0';
}
