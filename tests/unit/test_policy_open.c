/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "base/auto.h"
#include "fixtures/rows.h"
#include "unit/policy_scene.h"

static void weak_settings_are_logged(void **state)
{
    (void)state;
    struct policy *policy = NULL;
    const struct setting weak = LOOSE_P2PFL;
    assert_int_equal(make_policy(&weak, &policy, NULL), NK_OK);
    assert_non_null(strstr(log_text, "strict is false"));
    assert_non_null(strstr(log_text, "all-certified"));
    assert_non_null(strstr(log_text, "no federation.crls"));
    assert_true(policy_checks_call_host(policy));
    policy_unref(policy);

    const struct setting good = ADMIT_MEMBERS;
    assert_int_equal(make_policy(&good, &policy, NULL), NK_OK);
    assert_null(strstr(log_text, "strict is false"));
    assert_null(strstr(log_text, "all-certified"));
    policy_unref(policy);
}

static void rule_mode_wants_a_rule_that_names_servers(void **state)
{
    (void)state;
    const struct setting without[] = {
        { .rule_mode = true, .rules = { { false, "named", BOTH, RULE_CN, "node" } } },
        { .rule_mode = true, .rules = { { false, "clients", IN, RULE_URI, MEMBERS } } },
        { .rule_mode = true, .all_certified = true },
    };
    for (size_t i = 0; i < ARRAY_LEN(without); i++) {
        struct policy *policy = NULL;
        nk_error err = { .struct_size = sizeof(err) };
        assert_int_equal(make_policy(&without[i], &policy, &err), NK_E_CONFIG);
        assert_null(policy);
        assert_non_null(strstr(err.text, "server_name"));
    }
}

enum content {
    A_ROOT,
    TWO_ROOTS,
    A_LEAF,
    AN_INTERMEDIATE,
    A_SELF_SIGNED_LEAF,
    A_ROOT_THAT_MAY_NOT_SIGN,
    A_WEAK_ROOT,
    AN_EXPIRED_ROOT,
    A_FUTURE_ROOT,
    A_KEY,
    TEXT,
    DAMAGED,
    NOTHING,
    A_FOLDER,
};

static const struct root_row {
    const char *name;
    enum content content;
    unsigned mode; /* 0: 0644 */
    bool loose;
    const char *refusal; /* NULL: taken */
    const char *logged;
} roots[] = {
    { "root: taken", A_ROOT, 0, false, NULL, "" },
    { "root: two in a file", TWO_ROOTS, 0, false, NULL, "" },
    { "root: a node's certificate", A_LEAF, 0, false, "is a node's certificate", NULL },
    { "root: an intermediate", AN_INTERMEDIATE, 0, true, "is an intermediate", NULL },
    { "root: self-signed, no CA", A_SELF_SIGNED_LEAF, 0, true, "not a CA", NULL },
    { "root: may not sign", A_ROOT_THAT_MAY_NOT_SIGN, 0, true, "keyCertSign", NULL },
    { "root: weak key", A_WEAK_ROOT, 0, false, "weak key", NULL },
    { "root: weak key, loose", A_WEAK_ROOT, 0, true, NULL, "has a weak key" },
    { "root: expired is only logged", AN_EXPIRED_ROOT, 0, false, NULL, "has expired" },
    { "root: not yet valid is only logged", A_FUTURE_ROOT, 0, false, NULL, "is not yet valid" },
    { "root: a private key", A_KEY, 0, true, "PRIVATE KEY", NULL },
    { "root: no PEM", TEXT, 0, true, "no certificate", NULL },
    { "root: damaged", DAMAGED, 0, true, "cannot be read", NULL },
    { "root: missing", NOTHING, 0, true, "No such file", NULL },
    { "root: a folder", A_FOLDER, 0, true, "not a regular file", NULL },
    { "root: everybody may write it", A_ROOT, 0666, true, "chmod", NULL },
};

static char *certificate_text(EVP_PKEY *key, const struct certificate_spec *spec)
{
    X509 *certificate = authority_issue(NULL, key, spec);
    char *text = pem_of(certificate, NULL);
    X509_free(certificate);
    return text;
}

static char *content_of(enum content content)
{
    struct certificate_spec ca = { .cn = "ca",
                                   .basic_constraints = "critical,CA:TRUE",
                                   .key_usage = "critical,keyCertSign",
                                   .eku = "" };
    switch (content) {
    case A_ROOT:
        return pem_of(issuers[ROOT].certificate, NULL);
    case TWO_ROOTS:
        return pem_of(issuers[ROOT].certificate, issuers[MIMIC].certificate, NULL);
    case A_LEAF: {
        X509 *leaf = authority_issue(&issuers[ROOT], leaf_key, NULL);
        char *text = pem_of(leaf, NULL);
        X509_free(leaf);
        return text;
    }
    case AN_INTERMEDIATE:
        return pem_of(issuers[ROOT].certificate, issuers[INTERMEDIATE].certificate, NULL);
    case A_SELF_SIGNED_LEAF:
        return certificate_text(leaf_key, NULL);
    case A_ROOT_THAT_MAY_NOT_SIGN:
        ca.key_usage = "critical,cRLSign";
        return certificate_text(leaf_key, &ca);
    case A_WEAK_ROOT: {
        EVP_PKEY *key = software_key("RSA-1024");
        char *text = certificate_text(key, &ca);
        EVP_PKEY_free(key);
        return text;
    }
    case AN_EXPIRED_ROOT:
        ca.ends_in_seconds = -60;
        return certificate_text(leaf_key, &ca);
    case A_FUTURE_ROOT:
        ca.starts_in_seconds = 3600;
        return certificate_text(leaf_key, &ca);
    case A_KEY:
        return pem_of_key(leaf_key);
    case DAMAGED:
        return strdup("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    default:
        return strdup("no PEM\n");
    }
}

static void check_root(void **state)
{
    const struct root_row *row = *state;
    char *path = (char *)path_of("%s/candidate.pem", scratch_folder());
    (void)remove(path);
    if (row->content == A_FOLDER) {
        path = (char *)scratch_folder();
    } else if (row->content != NOTHING) {
        char *text = content_of(row->content);
        write_file(path, text, row->mode != 0 ? row->mode : 0644);
        free(text);
    }
    struct config config = { .roots = { &path, 1 }, .federation.strict = !row->loose };
    struct policy *policy = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    log_text[0] = '\0';
    nk_status status = new_policy(&config, &policy, &err);
    print_message("%s\n", err.text);
    assert_int_equal(ERR_peek_error(), 0);
    if (row->refusal == NULL) {
        assert_int_equal(status, NK_OK);
        assert_non_null(strstr(log_text, row->logged));
    } else {
        assert_int_equal(status, NK_E_TRUST);
        assert_null(policy);
        assert_non_null(strstr(err.text, row->refusal));
        assert_non_null(strstr(err.text, path));
    }
    policy_unref(policy);
}

/* --- our own certificate --- */

static const struct ours_row {
    const char *name;
    struct setting setting;
    int role;
    struct showing ours;
    const char *refusal; /* NULL: good */
    const char *logged;
} ours[] = {
    { "ours: good as server", ADMIT_MEMBERS, OUR_SERVER, { 0 }, NULL, "" },
    { "ours: good as client", ADMIT_MEMBERS, OUR_CLIENT, { 0 }, NULL, "" },
    { "ours: below an intermediate", ADMIT_MEMBERS, OUR_SERVER, { .issuer = SECOND }, NULL, "" },
    { "ours: expired",
      ADMIT_MEMBERS,
      OUR_SERVER,
      { .spec.ends_in_seconds = -60 },
      "expired on",
      NULL },
    { "ours: not yet valid",
      ADMIT_MEMBERS,
      OUR_CLIENT,
      { .spec.starts_in_seconds = DAY / 2 },
      "not yet valid",
      NULL },
    { "ours: an issuer has expired",
      ADMIT_MEMBERS,
      OUR_CLIENT,
      { .issuer = EXPIRED },
      "peers would refuse",
      NULL },
    { "ours: another federation",
      ADMIT_MEMBERS,
      OUR_CLIENT,
      { .issuer = MIMIC },
      "no chain to federation.roots",
      NULL },
    { "ours: a client's for the server",
      ADMIT_MEMBERS,
      OUR_SERVER,
      { .spec.eku = "clientAuth" },
      "extendedKeyUsage serverAuth",
      NULL },
    { "ours: no usage, strict",
      ADMIT_MEMBERS,
      OUR_CLIENT,
      { .spec.eku = "" },
      "extendedKeyUsage clientAuth",
      NULL },
    { "ours: no usage, loose",
      LOOSE_MEMBERS,
      OUR_CLIENT,
      { .spec.eku = "" },
      NULL,
      "any member's client certificate serves" },
    { "ours: P2PFL's",
      LOOSE_P2PFL,
      OUR_SERVER,
      { .issuer = P2PFL, .spec = P2PFL_SPEC },
      NULL,
      "no keyUsage" },
};

static void check_ours(void **state)
{
    const struct ours_row *row = *state;
    struct policy *policy = NULL;
    assert_int_equal(make_policy(&row->setting, &policy, NULL), NK_OK);
    struct peer *us = show_peer(&row->ours);
    nk_error err = { .struct_size = sizeof(err) };
    log_text[0] = '\0';
    nk_status status = policy_check_ours(policy, row->role, us->leaf, us->others, &host, &err);
    print_message("%s\n%s", err.text, log_text);
    assert_int_equal(ERR_peek_error(), 0);
    assert_int_equal(status, row->refusal == NULL ? NK_OK : NK_E_IDENTITY);
    if (row->refusal != NULL) {
        assert_non_null(strstr(err.text, row->refusal));
        assert_non_null(strstr(err.text, row->role == OUR_SERVER ? "server" : "client"));
    } else if (row->logged[0] != '\0') {
        assert_non_null(strstr(log_text, row->logged));
    } else {
        assert_string_equal(log_text, "");
    }
    peer_free(us);
    policy_unref(policy);
}

int main(void)
{
    ROWS_OF(roots, check_root)
    ROWS_OF(ours, check_ours)
    ROWS_TEST(weak_settings_are_logged);
    ROWS_TEST(rule_mode_wants_a_rule_that_names_servers);
    return ROWS_RUN("policy_new", policy_scene_set_up, policy_scene_tear_down);
}
