/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_whole.h"

#include <stdbool.h>
#include <string.h>

#include "config/config_members.h"
#include "rules/rules.h"

static nk_status require_identities(const json_t *root, const struct place *document, nk_error *err)
{
    static const char *const names[] = { "module", "key", "certificate", "pin" };
    struct place node = place_member(document, "node");

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        bool server = members_pick(root, "server", names[i]) != NULL;
        bool client = members_pick(root, "client", names[i]) != NULL;
        struct place place = place_member(&node, names[i]);
        nk_status status = NK_OK;
        if (!server && !client) {
            status =
                place_report(err, NK_E_CONFIG, &place, "missing for both roles, server and client");
        } else if (!server || !client) {
            const char *role = server ? "client" : "server";
            status = place_report(err, NK_E_CONFIG, &place,
                                  "missing for the %s role; give it here or in \"%s\"", role, role);
        }
        if (!place_goes_on(&place, &status, err)) {
            return status;
        }
    }
    return NK_OK;
}

static nk_status require_roots(const json_t *root, const struct place *document, nk_error *err)
{
    struct place federation = place_member(document, "federation");
    struct place place = place_member(&federation, "roots");

    if (json_array_size(json_object_get(json_object_get(root, "federation"), "roots")) > 0) {
        return NK_OK;
    }
    return place_report(err, NK_E_CONFIG, &place,
                        "is empty: no peer could be verified; name the PEM file of at least one "
                        "root CA");
}

/* crl_mode "hard" without lists would refuse everybody, "soft" would report everybody, and "off"
 * beside lists looks as if they counted. */
static nk_status require_crl_sense(const json_t *root, const struct place *document, nk_error *err)
{
    static const char *const needy[] = { "crl_grace_hours", "crl_max_age_hours" };
    const json_t *federation = json_object_get(root, "federation");
    struct place at = place_member(document, "federation");
    struct place place = place_member(&at, "crl_mode");
    const char *mode = members_text(federation, "crl_mode");
    bool given = json_object_get(federation, "crls") != NULL;
    bool off = mode != NULL && strcmp(mode, "off") == 0;

    if (given && off) {
        return place_report(
            err, NK_E_CONFIG, &place,
            "is \"off\", but crls are given; remove one of the two (\"soft\" refuses "
            "only what a list names)");
    }
    if (!given && mode != NULL && !off) {
        return place_report(err, NK_E_CONFIG, &place,
                            "\"%s\" needs revocation lists; name them in federation.crls, or use "
                            "\"off\"",
                            mode);
    }
    for (size_t i = 0; i < ARRAY_LEN(needy) && !given; i++) {
        struct place lone = place_member(&at, needy[i]);
        if (json_object_get(federation, needy[i]) != NULL) {
            return place_report(err, NK_E_CONFIG, &lone,
                                "does nothing without federation.crls; name them, or remove it");
        }
    }
    return NK_OK;
}

static bool names_servers(const json_t *rule)
{
    const char *direction = members_text(rule, "direction");
    if (direction != NULL && strcmp(direction, "outbound") != 0) {
        return false;
    }
    return json_object_get(rule, "uri") != NULL || json_object_get(rule, "spki_sha256") != NULL;
}

/* Rules alone say which server it is where the dialled name does not; one that takes any holder of
 * a certificate would let every member pose as every other. */
static nk_status require_naming_rule(const json_t *root, const struct place *document,
                                     nk_error *err)
{
    const json_t *admit = json_object_get(root, "admit");
    struct place federation = place_member(document, "federation");
    struct place place = place_member(&federation, "server_name");
    const char *mode = members_text(json_object_get(root, "federation"), "server_name");

    if (mode == NULL || strcmp(mode, "rule") != 0) {
        return NK_OK;
    }
    if (json_is_string(admit)) {
        return place_report(err, NK_E_CONFIG, &place,
                            "\"rule\" needs rules, but \"admit\" is \"" ALL_CERTIFIED "\": any "
                            "member could pose as any server; write rules, or use \"target\"");
    }
    for (size_t i = 0; i < json_array_size(admit); i++) {
        if (names_servers(json_array_get(admit, i))) {
            return NK_OK;
        }
    }
    return place_report(err, NK_E_CONFIG, &place,
                        "\"rule\" needs at least one outbound rule in \"admit\" with uri or "
                        "spki_sha256; without one no server is ever accepted");
}

nk_status whole_check(const json_t *root, const struct place *document, nk_error *err)
{
    static nk_status (*const checks[])(const json_t *root, const struct place *document,
                                       nk_error *err) = { require_identities, require_roots,
                                                          require_crl_sense, require_naming_rule };

    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        nk_status status = checks[i](root, document, err);
        if (!place_goes_on(document, &status, err)) {
            return status;
        }
    }
    return NK_OK;
}
