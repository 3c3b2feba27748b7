/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_members.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "config/config_types.h"
#include "rules/rule_member.h"

DEFINE_AUTO(json_t *, json_decref);

static nk_status check_module(const struct member *member, const json_t *value,
                              const struct place *at, nk_error *err)
{
    nk_status status = type_text(member, value, at, err);
    if (status != NK_OK) {
        return status;
    }
    const char *name = json_string_value(value);
    if (name[0] != '/' && (name[0] == '.' || strchr(name, '/') != NULL)) {
        return place_report(err, NK_E_CONFIG, at,
                            "must be an absolute path, or a bare name such as \"softhsm\"; code is "
                            "not loaded from a relative path");
    }
    return NK_OK;
}

static bool is_pkcs11_uri(const json_t *value)
{
    const char *scheme = "pkcs11:";
    return strncasecmp(json_string_value(value), scheme, strlen(scheme)) == 0;
}

static nk_status check_key(const struct member *member, const json_t *value, const struct place *at,
                           nk_error *err)
{
    nk_status status = type_text(member, value, at, err);
    if (status == NK_OK && !is_pkcs11_uri(value)) {
        return place_report(err, NK_E_CONFIG, at,
                            "must be a URI such as \"pkcs11:token=node-a;object=identity\"; key "
                            "files are not read");
    }
    return status;
}

static nk_status check_credential(const struct member *member, const json_t *value,
                                  const struct place *at, nk_error *err)
{
    nk_status status = type_text(member, value, at, err);
    if (status != NK_OK) {
        return status;
    }
    const char *name = json_string_value(value);
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
    nk_status status = type_object(member, value, at, err);
    if (status == NK_OK && json_object_size(value) != 1) {
        return place_report(
            err, NK_E_CONFIG, at,
            "must have exactly one of file, credential, fd, prompt, protected, not %zu",
            json_object_size(value));
    }
    return status;
}

static nk_status check_rule_name(const struct member *member, const json_t *value,
                                 const struct place *at, nk_error *err)
{
    nk_status status = type_text(member, value, at, err);
    if (status != NK_OK) {
        return status;
    }
    const char *name = json_string_value(value);
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
    nk_status status = type_object(member, value, at, err);
    if (status != NK_OK) {
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

/* A rule's own members, then those that match a fact. */
static void fill_rule_members(struct member rows[RULE_MEMBERS + 3])
{
    *rows++ = (struct member){ "name", NOW, .check = check_rule_name, .required = true };
    *rows++ = (struct member){ "direction", NOW, .check = type_choice,
                               .choices = { "inbound", "outbound" } };
    for (enum rule_member member = 0; member < RULE_MEMBERS; member++) {
        unsigned max = rule_member_max(member);
        *rows++ = (struct member){ rule_member_name(member), NOW, .min = 1, .max = max,
                                   .check = max > 0 ? type_number : type_texts };
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
        if (json_object_get(seen, json_string_value(name)) != NULL) {
            return place_report(err, NK_E_CONFIG, &place,
                                "\"%s\" is the name of an earlier rule of this list; the log could "
                                "not tell them apart",
                                json_string_value(name));
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

static const struct member pin_members[] = {
    { "file", NOW, .check = type_text },
    { "credential", NOW, .check = check_credential },
    { "fd", NOW, .check = type_number, .max = INT_MAX },
    { "prompt", NOW, .check = type_true },
    { "protected", NOW, .check = type_true },
    { 0 },
};

static const struct member identity_members[] = {
    { "module", NOW, .check = check_module },
    { "key", NOW, .check = check_key },
    { "certificate", NOW, .check = type_text },
    { "pin", NOW, .check = check_pin, .inside = pin_members },
    { "allow_extractable", NOW, .check = type_flag },
    { "allow_imported", NOW, .check = type_flag },
    { "require_hardware", NOW, .check = type_flag },
    { 0 },
};

static const struct member federation_members[] = {
    { "roots", NOW, .check = type_texts, .required = true },
    { "strict", NOW, .check = type_flag },
    { "server_name", NOW, .check = type_choice, .choices = { "target", "rule" } },
    { "crls", NOW, .check = type_texts, .min = 1 },
    { "crl_mode", NOW, .check = type_choice, .choices = { "hard", "soft", "off" } },
    { "crl_grace_hours", NOW, .check = type_number, .max = 87600 },
    { "crl_max_age_hours", NOW, .check = type_number, .min = 1, .max = 87600 },
    { 0 },
};

static const struct member token_members[] = {
    { "max_sessions", NOW, .check = type_number, .min = 1, .max = 1024 },
    { "login_timeout_ms", NOW, .check = type_number, .min = 100, .max = 600000 },
    { "sign_timeout_ms", NOW, .check = type_number, .min = 100, .max = 600000 },
    { "max_waiting_inbound", NOW, .check = type_number, .min = 1, .max = 100000 },
    { 0 },
};

static const struct member grpc_members[] = {
    { "lent_threads", NOW, .check = type_number, .max = 256 },
    { 0 },
};

static const struct member host_members[] = {
    { "verify_timeout_ms", NOW, .check = type_number, .min = 10, .max = 60000 },
    { 0 },
};

static const struct member audit_members[] = {
    { "file", NOW, .check = type_text, .required = true },
    { "per_peer_per_minute", NOW, .check = type_number, .min = 1, .max = 1000000 },
    { 0 },
};

static const struct member reload_members[] = {
    { "interval_seconds", NOW, .check = type_number, .min = 1, .max = 86400 },
    { 0 },
};

static const struct member event_members[] = {
    { "expiry_days", NOW, .check = type_days },
    { 0 },
};

static const struct member document_members[] = {
    { "version", NOW, .check = type_number, .required = true, .min = 1, .max = 1 },
    { "node", NOW, .check = type_object, .inside = identity_members },
    { "server", NOW, .check = type_object, .inside = identity_members },
    { "client", NOW, .check = type_object, .inside = identity_members },
    { "federation", NOW, .check = type_object, .required = true, .inside = federation_members },
    { "admit", NOW, .check = check_admit, .required = true },
    { "deny", NOW, .check = check_rules },
    { "admit_candidate", NOW, .check = check_rules },
    { "token", NOW, .check = type_object, .inside = token_members },
    { "grpc", NOW, .check = type_object, .inside = grpc_members },
    { "host", NOW, .check = type_object, .inside = host_members },
    { "state_dir", NOW, .check = type_text },
    { "status_file", LATER, .check = type_text },
    { "audit", NOW, .check = type_object, .inside = audit_members },
    { "reload", NOW, .check = type_object, .inside = reload_members },
    { "events", LATER, .check = type_object, .inside = event_members },
    { 0 },
};

nk_status members_check(const json_t *root, const struct place *document, nk_error *err)
{
    const struct member whole = { .inside = document_members };

    /* First: all that follows means something else in another version. */
    const json_t *version = json_object_get(root, "version");
    if (version != NULL && json_integer_value(version) != 1) {
        struct place place = place_member(document, "version");
        return place_report(err, NK_E_CONFIG, &place,
                            "must be 1, the only version that nodekey " NODEKEY_VERSION " reads");
    }
    return type_object(&whole, root, document, err);
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

bool members_flag(const json_t *object, const char *name, bool absent)
{
    const json_t *value = json_object_get(object, name);
    return value != NULL ? json_is_true(value) : absent;
}

unsigned members_number(const json_t *object, const char *name, unsigned absent)
{
    const json_t *value = json_object_get(object, name);
    return value != NULL ? (unsigned)json_integer_value(value) : absent;
}
