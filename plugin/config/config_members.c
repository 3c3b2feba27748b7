/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_members.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_object.h"
#include "config/config_rules.h"
#include "config/settings.h"

static nk_status check_module(const struct member *member, const json_t *value,
                              const struct place *at, nk_error *err)
{
    const char *name = json_string_value(value);

    (void)member;
    if (name[0] != '/' && (name[0] == '.' || strchr(name, '/') != NULL)) {
        return place_report(err, NK_E_CONFIG, at,
                            "must be an absolute path, or a bare name such as \"softhsm\"; code is "
                            "not loaded from a relative path");
    }
    return NK_OK;
}

static nk_status check_key(const struct member *member, const json_t *value, const struct place *at,
                           nk_error *err)
{
    (void)member;
    return config_is_uri(json_string_value(value))
               ? NK_OK
               : place_report(err, NK_E_CONFIG, at,
                              "must be a URI such as \"pkcs11:token=node-a;object=identity\"; key "
                              "files are not read");
}

static nk_status check_credential(const struct member *member, const json_t *value,
                                  const struct place *at, nk_error *err)
{
    const char *name = json_string_value(value);

    (void)member;
    if (strchr(name, '/') != NULL || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return place_report(err, NK_E_CONFIG, at,
                            "must be the bare name of a systemd credential; for a path use "
                            "\"file\"");
    }
    return NK_OK;
}

static nk_status check_pin(const struct member *member, const json_t *value, const struct place *at,
                           nk_error *err)
{
    if (!json_is_object(value)) {
        return type_wrong("an object such as {\"file\": \"node.pin\"}", value, at, err);
    }
    size_t before = place_faults(at);
    nk_status status = check_object(member, value, at, err);
    if (status == NK_OK && place_faults(at) > before) {
        return NK_E_CONFIG; /* told; what is left of it means something else */
    }
    if (status == NK_OK && json_object_size(value) != 1) {
        return place_report(
            err, NK_E_CONFIG, at,
            "must have exactly one of file, credential, fd, prompt, protected, not %zu",
            json_object_size(value));
    }
    return status;
}

static nk_status read_pin(const struct member *member, const json_t *value, const struct place *at,
                          void *to, nk_error *err)
{
    struct hsm_pin_source *pin = to;
    const char *file = members_text(value, "file");
    const char *credential = members_text(value, "credential");

    (void)member;
    pin->fd = -1;
    if (file != NULL) {
        pin->kind = HSM_PIN_FILE;
        return type_absolute(file, at, (char **)&pin->where, err);
    }
    if (credential != NULL) {
        pin->kind = HSM_PIN_CREDENTIAL;
        return type_copy(credential, (char **)&pin->where, err);
    }
    if (json_object_get(value, "fd") != NULL) {
        pin->kind = HSM_PIN_FD;
        pin->fd = (int)json_integer_value(json_object_get(value, "fd"));
        return NK_OK;
    }
    pin->kind = json_object_get(value, "prompt") != NULL ? HSM_PIN_PROMPT : HSM_PIN_PROTECTED;
    return NK_OK;
}

bool members_same_pin(const void *a, const void *b)
{
    const struct hsm_pin_source *one = a;
    const struct hsm_pin_source *other = b;
    return one->kind == other->kind && one->fd == other->fd &&
           type_same_text(one->where, other->where);
}

static void clear_pin(void *held)
{
    free((char *)((struct hsm_pin_source *)held)->where);
}

static nk_status check_state_dir(const struct member *member, const json_t *value,
                                 const struct place *at, nk_error *err)
{
    (void)member;
    return json_string_value(value)[0] != '$'
               ? NK_OK
               : place_report(err, NK_E_CONFIG, at,
                              "must be a path: variables are not expanded here; leave it away, and "
                              "it is $STATE_DIRECTORY, which systemd's StateDirectory= sets");
}

static const struct type type_pin = { check_pin, sizeof(struct hsm_pin_source), read_pin,
                                      members_same_pin, clear_pin };

/* --- the tables --- */

#define OF_IDENTITY(path) offsetof(struct config_identity, path)
#define IN(path) offsetof(struct config, path)

/* Columns: name, effect, type, place, least, most, what its absence means. */
static const struct member pin_members[] = {
    { "file", EACH, .type = &type_text },
    { "credential", EACH, .type = &type_text, .also = check_credential },
    { "fd", EACH, .type = &type_number, .max = INT_MAX },
    { "prompt", EACH, .type = &type_true },
    { "protected", EACH, .type = &type_true },
    { 0 },
};

static const struct member identity_members[] = {
    { "module", AT_START, .type = &type_text, OF_IDENTITY(module), .also = check_module },
    { "key", AT_START, .type = &type_text, OF_IDENTITY(key), .also = check_key },
    { "certificate", AT_RELOAD, .type = &type_path_or_uri, OF_IDENTITY(certificate) },
    { "pin", AT_START, .type = &type_pin, OF_IDENTITY(pin), .inside = pin_members },
    { "allow_extractable", AT_START, .type = &type_flag, OF_IDENTITY(custody.allow_extractable) },
    { "allow_imported", AT_START, .type = &type_flag, OF_IDENTITY(custody.allow_imported) },
    { "require_hardware", AT_START, .type = &type_flag, OF_IDENTITY(custody.require_hardware) },
    { 0 },
};

static const struct choice server_names[] = {
    { "target", SERVER_NAME_TARGET },
    { "rule", SERVER_NAME_RULE },
    { 0 },
};

static const struct choice crl_modes[] = {
    { "hard", CRL_HARD },
    { "soft", CRL_SOFT },
    { "off", CRL_OFF },
    { 0 },
};

/* gRPC's check per call is part of the credentials, so server_name stays until the next start. */
static const struct member federation_members[] = {
    { "roots", AT_RELOAD, .type = &type_paths, IN(roots), .required = true },
    { "strict", AT_RELOAD, .type = &type_flag, IN(federation.strict), .absent = true },
    { "server_name", AT_START, .type = &type_choice, IN(federation.server_name),
      .choices = server_names },
    { "crls", AT_RELOAD, .type = &type_paths, IN(crls), .min = 1 },
    { "crl_mode", AT_RELOAD, .type = &type_choice, IN(federation.crl.mode), .choices = crl_modes },
    { "crl_grace_hours", AT_RELOAD, .type = &type_number, IN(federation.crl.grace_hours),
      .max = 87600 },
    { "crl_max_age_hours", AT_RELOAD, .type = &type_number, IN(federation.crl.max_age_hours), 1,
      87600 },
    { 0 },
};

static const struct member token_members[] = {
    { "max_sessions", AT_START, .type = &type_number, IN(token.max_sessions), 1, 1024,
      HSM_MAX_SESSIONS },
    { "login_timeout_ms", AT_START, .type = &type_number, IN(token.login_timeout_ms), 100, 600000,
      HSM_LOGIN_TIMEOUT_MS },
    { "sign_timeout_ms", AT_START, .type = &type_number, IN(token.sign_timeout_ms), 100, 600000 },
    { "max_waiting_inbound", AT_START, .type = &type_number, IN(token.max_waiting_inbound), 1,
      100000, HSM_MAX_WAITING_INBOUND },
    { 0 },
};

static const struct member grpc_members[] = {
    { "lent_threads", AT_START, .type = &type_number, IN(lent_threads), 0, 256 },
    { 0 },
};

static const struct member host_members[] = {
    { "verify_timeout_ms", AT_RELOAD, .type = &type_number, IN(verify_timeout_ms), 10, 60000,
      1000 },
    { 0 },
};

static const struct member audit_members[] = {
    { "file", AT_START, .type = &type_path, IN(audit.file), .required = true },
    { "per_peer_per_minute", AT_START, .type = &type_number, IN(audit.per_peer_per_minute), 1,
      1000000, 60 },
    { 0 },
};

static const struct member reload_members[] = {
    { "interval_seconds", AT_RELOAD, .type = &type_number, IN(reload_interval_seconds), 1, 86400,
      5 },
    { 0 },
};

static const struct member event_members[] = {
    { "expiry_days", EACH, .type = &type_days },
    { 0 },
};

const struct member config_members[] = {
    { "$schema", EACH, .type = &type_word }, /* for editors, which find the schema by it */
    { "version", AT_RELOAD, .type = &type_number, IN(version), 1, 1, .required = true },
    { "node", EACH, .type = &type_default, .inside = identity_members },
    { "server", EACH, .type = &type_object, IN(identities[OUR_SERVER]), .inside = identity_members,
      .over = "node" },
    { "client", EACH, .type = &type_object, IN(identities[OUR_CLIENT]), .inside = identity_members,
      .over = "node" },
    { "federation", EACH, .type = &type_object, .required = true, .inside = federation_members },
    { "admit", AT_RELOAD, .type = &type_admit, IN(admit), .required = true },
    { "deny", AT_RELOAD, .type = &type_rules, IN(deny) },
    { "admit_candidate", AT_RELOAD, .type = &type_rules, IN(admit_candidate) },
    { "token", EACH, .type = &type_object, .inside = token_members },
    { "grpc", EACH, .type = &type_object, .inside = grpc_members },
    { "host", EACH, .type = &type_object, .inside = host_members },
    { "state_dir", AT_START, .type = &type_path, IN(state_dir), .also = check_state_dir },
    { "status_file", LATER, .type = &type_path },
    { "audit", EACH, .type = &type_object, .inside = audit_members },
    { "reload", EACH, .type = &type_object, .inside = reload_members },
    { "events", LATER, .type = &type_object, .inside = event_members },
    { 0 },
};

nk_status members_check(const json_t *root, const struct place *document, nk_error *err)
{
    const struct member whole = { .inside = config_members };

    /* The version comes first: all that follows means something else in another one. */
    const json_t *version = json_object_get(root, "version");
    if (version != NULL && json_integer_value(version) != 1) {
        struct place place = place_member(document, "version");
        return place_report(err, NK_E_CONFIG, &place,
                            "must be 1, the only version that nodekey " NODEKEY_VERSION " reads");
    }
    return check_object(&whole, root, document, err);
}

const json_t *members_pick(const json_t *root, const char *role, const char *name)
{
    const json_t *own = json_object_get(json_object_get(root, role), name);
    return own != NULL ? own : json_object_get(json_object_get(root, "node"), name);
}

const char *members_text(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}
