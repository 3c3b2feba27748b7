/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/policy_scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "fixtures/check.h"

#define SAN "URI:" NODE ",DNS:a.fed.example,IP:10.0.0.1,IP:2001:db8::1"

struct authority issuers[ISSUERS];
EVP_PKEY *leaf_key;

char log_text[4096];

static void keep_log(void *host_data, int32_t level, const char *line)
{
    (void)host_data, (void)level;
    size_t used = strlen(log_text);
    snprintf(log_text + used, sizeof(log_text) - used, "%s\n", line);
}

const nk_host host = { .struct_size = sizeof(host), .log = keep_log };

static void add_rules(const struct rule_spec *rules, size_t len, struct config *config)
{
    for (size_t i = 0; i < len && rules[i].name != NULL; i++) {
        struct rule_list *list = rules[i].deny ? &config->deny : &config->admit;
        assert_int_equal(rule_list_append(list, rules[i].name, rules[i].directions, NULL), NK_OK);
        assert_int_equal(rule_list_add(list, rules[i].member, rules[i].value, NULL), NK_OK);
    }
}

/* A policy with a pool of its own, which it keeps. */
nk_status new_policy(struct config *config, struct policy **ret_policy, nk_error *err)
{
    struct policy_memory memory;
    assert_int_equal(policy_memory_open(NULL, &memory, err), NK_OK);
    nk_status status = policy_new(config, &memory, &host, ret_policy, err);
    policy_memory_clear(&memory);
    return status;
}

nk_status make_policy(const struct setting *setting, struct policy **ret_policy, nk_error *err)
{
    char *roots[2] = { (char *)path_of("%s/root.pem", scratch_folder()), NULL };
    struct config config = {
        .roots = { roots, 1 },
        .federation.strict = !setting->loose,
        .federation.server_name = setting->rule_mode ? SERVER_NAME_RULE : SERVER_NAME_TARGET,
        .all_certified = setting->all_certified,
    };
    if (setting->root == P2PFL || setting->root == P2PFL_NEW) {
        roots[0] = (char *)path_of("%s/p2pfl.pem", scratch_folder());
    }
    if (setting->root == P2PFL_NEW) {
        roots[config.roots.len++] = (char *)path_of("%s/p2pfl-new.pem", scratch_folder());
    }
    add_rules(setting->rules, ARRAY_LEN(setting->rules), &config);
    log_text[0] = '\0';
    nk_status status = new_policy(&config, ret_policy, err);
    rule_list_clear(&config.admit);
    rule_list_clear(&config.deny);
    return status;
}

/* The verdict of the whole opinion, which begins as noise: all of it must be written. */
void judge_peer(struct policy *policy, struct peer *peer, nk_verdict *verdict)
{
    struct opinion opinion;
    memset(&opinion, 0xff, sizeof(opinion));
    policy_judge(policy, peer, &opinion);
    *verdict = opinion.verdict;
}

static X509 *damage(X509 *certificate)
{
    unsigned char *der = NULL;
    int len = i2d_X509(certificate, &der);
    assert_true(len > 0);
    der[len - 1] ^= 1;
    const unsigned char *end = der;
    X509 *damaged = d2i_X509(NULL, &end, len);
    assert_non_null(damaged);
    OPENSSL_free(der);
    X509_free(certificate);
    return damaged;
}

X509 *issue_leaf(const struct showing *showing)
{
    struct certificate_spec spec = showing->spec;
    EVP_PKEY *key = showing->key != NULL ? software_key(showing->key) : leaf_key;
    spec.san = spec.san == NULL ? SAN : spec.san;
    spec.digest = showing->sha1 ? EVP_sha1() : NULL;
    X509 *leaf =
        authority_issue(showing->issuer == SELF ? NULL : &issuers[showing->issuer], key, &spec);
    if (key != leaf_key) {
        EVP_PKEY_free(key);
    }
    return showing->damaged ? damage(leaf) : leaf;
}

static char *chain_of(enum issuer issuer)
{
    switch (issuer) {
    case SECOND:
        return pem_of(issuers[SECOND].certificate, issuers[INTERMEDIATE].certificate, NULL);
    case TOO_DEEP:
        return pem_of(issuers[TOO_DEEP].certificate, issuers[CROWDED].certificate, NULL);
    case SELF:
        return strdup("");
    default:
        return pem_of(issuers[issuer].certificate, NULL);
    }
}

struct peer *show_peer(const struct showing *showing)
{
    X509 *leaf = issue_leaf(showing);
    char *leaf_pem = pem_of(leaf, NULL);
    char *chain_pem = showing->keeps_intermediates ? NULL : chain_of(showing->issuer);
    struct peer *peer = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    if (peer_read(showing->role == 0 ? IN : showing->role, showing->target, leaf_pem, chain_pem,
                  &peer, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    free(leaf_pem);
    free(chain_pem);
    X509_free(leaf);
    return peer;
}

static void make_issuers(void)
{
    const struct certificate_spec bare = { .bare = true };
    const struct certificate_spec p2pfl = { .bare = true,
                                            .key_usage = "",
                                            .basic_constraints = "CA:TRUE" };
    const struct certificate_spec weak = { .digest = EVP_sha1() };

    issuers[ROOT] = authority_make(NULL, "federation", NULL);
    issuers[MIMIC] = authority_make(NULL, "federation", NULL);
    issuers[BARE_MIMIC] = authority_make(NULL, "federation", &bare);
    issuers[INTERMEDIATE] = authority_make(&issuers[ROOT], "intermediate", NULL);
    issuers[SECOND] = authority_make(&issuers[INTERMEDIATE], "second", NULL);
    issuers[CROWDED] = authority_make(
        &issuers[ROOT], "crowded",
        &(struct certificate_spec){ .basic_constraints = "critical,CA:TRUE,pathlen:0" });
    issuers[TOO_DEEP] = authority_make(&issuers[CROWDED], "too deep", NULL);
    issuers[EXPIRED] = authority_make(&issuers[ROOT], "expired",
                                      &(struct certificate_spec){ .ends_in_seconds = -60 });
    issuers[NOT_A_CA] = authority_make(
        &issuers[ROOT], "node b",
        &(struct certificate_spec){ .basic_constraints = "critical,CA:FALSE", .key_usage = "" });
    issuers[CLIENT_CA] = authority_make(&issuers[ROOT], "clients",
                                        &(struct certificate_spec){ .eku = "clientAuth" });
    issuers[WEAK_CA] = authority_make(&issuers[ROOT], "weak", &weak);
    issuers[P2PFL] = authority_make(NULL, "My CA", &p2pfl);
    issuers[P2PFL_NEW] = authority_make(NULL, "My CA", &p2pfl);
}

static void write_root(enum issuer issuer, const char *file)
{
    char *pem = pem_of(issuers[issuer].certificate, NULL);
    write_file(path_of("%s/%s", scratch_folder(), file), pem, 0644);
    free(pem);
}

int policy_scene_set_up(void **state)
{
    (void)state;
    leaf_key = software_key("P-256");
    make_issuers();
    write_root(ROOT, "root.pem");
    write_root(P2PFL, "p2pfl.pem");
    write_root(P2PFL_NEW, "p2pfl-new.pem");
    return 0;
}

int policy_scene_tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < ISSUERS; i++) {
        authority_free(&issuers[i]);
    }
    EVP_PKEY_free(leaf_key);
    return 0;
}
