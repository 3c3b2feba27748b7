/* SPDX-License-Identifier: Apache-2.0 */
#include "chain/chain.h"

#include <stdio.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/auto.h"
#include "fixtures/rows.h"
#include "trust/roots.h"
#include "unit/trust/chain_scene.h"

#define SERVER NK_PEER_IS_SERVER
#define ROOT_PEM_BYTES 1024

/* `row->leaf` describes the issuer here. */
static struct shown below_odd_ca(const struct chain_row *row)
{
    struct authority ca = { .key = software_key("P-256") };
    ca.certificate = issued(&root, ca.key, &row->leaf);
    struct shown shown = { .leaf = issued(&ca, leaf_key, NULL), .others = { ca.certificate } };
    EVP_PKEY_free(ca.key);
    return shown;
}

static struct shown too_long_below_pathlen(const struct chain_row *row)
{
    struct authority ca = authority_make(
        &root, "leaves only",
        &(struct certificate_spec){ .basic_constraints = "critical,CA:TRUE,pathlen:0" });
    struct authority sub = authority_make(&ca, "one too many", NULL);
    struct shown shown = { .leaf = issued(&sub, leaf_key, &row->leaf),
                           .others = { sub.certificate, ca.certificate } };
    EVP_PKEY_free(ca.key);
    EVP_PKEY_free(sub.key);
    return shown;
}

static struct shown intermediate_as_anchor(const struct chain_row *row)
{
    struct shown shown = below_site(row);
    shown.anchor = site.certificate;
    return shown;
}

static struct shown namesake_root(const struct chain_row *row)
{
    struct authority mimic = authority_make(NULL, "federation", NULL);
    struct shown shown = { .leaf = issued(&mimic, leaf_key, &row->leaf),
                           .others = { mimic.certificate } };
    EVP_PKEY_free(mimic.key);
    return shown;
}

/* The key identifiers are only numbers: it takes the real one's. */
static struct shown namesake_site(const struct chain_row *row)
{
    EVP_PKEY *key = software_key("P-256");
    struct authority mimic = { .key = key, .certificate = site.certificate };
    (void)row;
    struct shown shown = { .leaf = issued(&mimic, leaf_key, NULL),
                           .others = { copy_of(site.certificate) } };
    EVP_PKEY_free(key);
    return shown;
}

static struct shown loop(const struct chain_row *row)
{
    struct authority a = authority_make(NULL, "a", NULL);
    struct authority b = authority_make(&a, "b", NULL);
    struct authority from_b = { .key = a.key };
    struct certificate_spec spec = ca_spec;
    spec.cn = "a";
    from_b.certificate = issued(&b, a.key, &spec);
    struct shown shown = { .leaf = issued(&from_b, leaf_key, &row->leaf),
                           .others = { from_b.certificate, b.certificate } };
    authority_free(&a);
    EVP_PKEY_free(b.key);
    return shown;
}

/* Nine CAs of one name, the right one last. */
static struct shown crowd(const struct chain_row *row)
{
    struct shown shown = { .leaf = NULL };
    const struct certificate_spec spec = { .bare = row->leaf.bare };
    for (int i = 0; i < 9; i++) {
        struct authority ca = authority_make(&root, "crowd", &spec);
        shown.others[i] = reread(ca.certificate);
        if (i == 8) {
            struct authority last = { .key = ca.key, .certificate = shown.others[i] };
            shown.leaf = issued(&last, leaf_key, &row->leaf);
        }
        EVP_PKEY_free(ca.key);
    }
    return shown;
}

static struct shown root_sent_along(const struct chain_row *row)
{
    struct shown shown = below_site(row);
    shown.others[1] = copy_of(root.certificate);
    return shown;
}

/* The root makes eleven, and is not counted. */
static struct shown root_beside_ten(const struct chain_row *row)
{
    struct shown shown = eleven(row);
    X509_free(shown.others[9]);
    shown.others[9] = copy_of(root.certificate);
    return shown;
}

static struct shown repeated_extension(const struct chain_row *row)
{
    X509 *leaf = authority_issue(&root, leaf_key, &row->leaf);
    X509_EXTENSION *extension = (X509_EXTENSION *)X509_get_ext(leaf, X509_get_ext_count(leaf) - 1);
    assert_true(X509_add_ext(leaf, extension, -1) == 1);
    return (struct shown){ .leaf = signed_by(leaf, root.key, EVP_sha256()) };
}

static struct shown version_1(const struct chain_row *row)
{
    X509 *leaf = authority_issue(&root, leaf_key, &row->leaf);
    while (X509_get_ext_count(leaf) > 0) {
        X509_EXTENSION_free(X509_delete_ext(leaf, 0));
    }
    assert_true(X509_set_version(leaf, X509_VERSION_1) == 1);
    return (struct shown){ .leaf = signed_by(leaf, root.key, EVP_sha256()) };
}

/* Version 1 knows no CA:TRUE, so it may not issue. */
static struct shown version_1_ca(const struct chain_row *row)
{
    EVP_PKEY *key = software_key("P-256");
    X509 *certificate = authority_issue(&root, key, &ca_spec);
    while (X509_get_ext_count(certificate) > 0) {
        X509_EXTENSION_free(X509_delete_ext(certificate, 0));
    }
    assert_true(X509_set_version(certificate, X509_VERSION_1) == 1);
    struct authority ca = { .key = key,
                            .certificate = signed_by(certificate, root.key, EVP_sha256()) };
    struct shown shown = { .leaf = issued(&ca, leaf_key, &row->leaf),
                           .others = { ca.certificate } };
    EVP_PKEY_free(key);
    return shown;
}

/* `row->key` is the number. */
static struct shown serial(const struct chain_row *row)
{
    X509 *leaf = authority_issue(&root, leaf_key, &row->leaf);
    BIGNUM *number = NULL;
    assert_true(BN_hex2bn(&number, row->key) > 0);
    assert_non_null(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(leaf)));
    BN_free(number);
    return (struct shown){ .leaf = signed_by(leaf, root.key, EVP_sha256()) };
}

#define NC_DNS "nameConstraints=critical,permitted;DNS:fed.example"
#define NC_URI "nameConstraints=critical,permitted;URI:.fed.example"
#define NC_IP "nameConstraints=critical,permitted;IP:10.0.0.0/255.0.0.0"
#define NC_EMAIL "nameConstraints=critical,permitted;email:fed.example"
#define NC_NOT "nameConstraints=critical,excluded;DNS:fed.example"
#define BAD "chain-invalid"

static const struct chain_row rows[] = {
    { "a good leaf", plain, .reason = NULL },
    { "a good leaf below a site", below_site, .reason = NULL },
    { "a root that is sent along", root_sent_along, .reason = NULL },
    { "a root that is sent along does not count", root_beside_ten, .reason = NULL },
    { "a leaf under its CA's name", plain, .reason = NULL, .loose = true,
      .leaf = { .cn = "federation", .bare = true } },
    /* who issued it */
    { "a leaf as issuer", below_odd_ca, .reason = "not-a-ca",
      .leaf = { .basic_constraints = "critical,CA:FALSE", .key_usage = "" } },
    { "a leaf as issuer, loose", below_odd_ca, .reason = "not-a-ca", .loose = true,
      .leaf = { .basic_constraints = "critical,CA:FALSE", .key_usage = "" } },
    { "no basicConstraints as issuer", below_odd_ca, .reason = "not-a-ca", .loose = true,
      .leaf = { .basic_constraints = "", .eku = "" } },
    { "a CA without keyCertSign", below_odd_ca, .reason = "not-a-ca",
      .leaf = { .basic_constraints = "critical,CA:TRUE",
                .key_usage = "critical,cRLSign",
                .eku = "" } },
    { "a CA without keyCertSign, loose", below_odd_ca, .reason = "not-a-ca", .loose = true,
      .leaf = { .basic_constraints = "critical,CA:TRUE",
                .key_usage = "critical,cRLSign",
                .eku = "" } },
    { "version 1 as issuer, loose", version_1_ca, .reason = "not-a-ca", .loose = true },
    { "an intermediate is no anchor", intermediate_as_anchor, .reason = "untrusted" },
    { "an intermediate is no anchor, loose", intermediate_as_anchor, .reason = "untrusted",
      .loose = true },
    { "a root of the same name, another key", namesake_root, .reason = "untrusted" },
    { "a site of the same name and identifier, another key", namesake_site,
      .reason = "bad-signature" },
    { "two CAs that issued each other", loop, .reason = "untrusted" },
    { "many CAs of one name", crowd, .reason = NULL },
    { "many CAs of one name, no identifiers", crowd, .reason = "bad-signature", .loose = true,
      .leaf = { .bare = true } },
    { "a path longer than its CA allows", too_long_below_pathlen, .reason = BAD,
      .detail = "path length" },
    { "an unknown critical extension", plain, .reason = BAD, .detail = "critical",
      .leaf = { .extra = "1.2.3.4=critical,DER:0500" } },
    { "an unknown critical extension in a CA", below_constrained, .reason = BAD,
      .detail = "critical", .ca = "1.2.3.4=critical,DER:0500" },
    { "one extension twice", repeated_extension, .reason = BAD, .detail = "there twice" },
    { "an unknown extension twice, loose", repeated_extension, .reason = BAD,
      .detail = "there twice", .loose = true, .leaf = { .extra = "1.2.3.4=DER:0500" } },
    { "an empty issuer", below_odd_ca, .reason = BAD, .detail = "name",
      .leaf = { .cn = "",
                .basic_constraints = "critical,CA:TRUE",
                .key_usage = "critical,keyCertSign",
                .eku = "" } },
    { "version 1", version_1, .reason = "wrong-purpose" },
    { "serial number 0", serial, .reason = BAD, .detail = "zero or negative", .key = "0" },
    { "a negative serial number", serial, .reason = BAD, .detail = "zero or negative",
      .key = "-5" },
    { "a serial number of 20 bytes", serial, .reason = NULL,
      .key = "7f00000000000000000000000000000000000001" },
    { "a serial number of 21 bytes", serial, .reason = BAD, .detail = "more than 20",
      .key = "ff00000000000000000000000000000000000001" },
    { "serial number 0, loose", serial, .reason = NULL, .loose = true, .key = "0" },
    /* roles */
    { "for clients, as server", plain, .reason = "wrong-purpose", .role = SERVER,
      .leaf = { .eku = "clientAuth" } },
    { "for servers, as client", plain, .reason = "wrong-purpose", .leaf = { .eku = "serverAuth" } },
    { "for servers, as client, loose", plain, .reason = "wrong-purpose", .loose = true,
      .leaf = { .eku = "serverAuth" } },
    { "for servers, as server", plain, .reason = NULL, .role = SERVER,
      .leaf = { .eku = "serverAuth" } },
    /* name constraints */
    { "DNS inside", below_constrained, .reason = NULL, .ca = NC_DNS,
      .leaf = { .san = "DNS:a.fed.example" } },
    { "DNS outside", below_constrained, .reason = BAD, .detail = "permitted", .ca = NC_DNS,
      .leaf = { .san = "DNS:a.evil.example" } },
    { "DNS outside, loose", below_constrained, .reason = BAD, .detail = "permitted", .loose = true,
      .ca = NC_DNS, .leaf = { .san = "DNS:a.evil.example" } },
    { "DNS that only ends alike", below_constrained, .reason = BAD, .detail = "permitted",
      .ca = NC_DNS, .leaf = { .san = "DNS:notfed.example" } },
    { "one DNS name of two outside", below_constrained, .reason = BAD, .detail = "permitted",
      .ca = NC_DNS, .leaf = { .san = "DNS:a.fed.example,DNS:evil.example" } },
    { "DNS excluded", below_constrained, .reason = BAD, .detail = "excluded", .ca = NC_NOT,
      .leaf = { .san = "DNS:a.fed.example" } },
    { "a common name that is a DNS name outside", below_constrained, .reason = BAD,
      .detail = "permitted", .ca = NC_DNS, .leaf = { .cn = "a.evil.example" } },
    { "URI inside", below_constrained, .reason = NULL, .ca = NC_URI,
      .leaf = { .san = "URI:spiffe://a.fed.example/n" } },
    { "URI outside", below_constrained, .reason = BAD, .detail = "permitted", .ca = NC_URI,
      .leaf = { .san = "URI:spiffe://a.evil.example/n" } },
    { "IP inside", below_constrained, .reason = NULL, .ca = NC_IP,
      .leaf = { .san = "IP:10.1.2.3" } },
    { "IP outside", below_constrained, .reason = BAD, .detail = "permitted", .ca = NC_IP,
      .leaf = { .san = "IP:11.1.2.3" } },
    { "email outside", below_constrained, .reason = BAD, .detail = "permitted", .ca = NC_EMAIL,
      .leaf = { .san = "email:a@evil.example" } },
    /* policy constraints are critical, and enforced though no rule asks */
    { "an explicit policy is required, and there", below_constrained, .reason = NULL,
      .ca = "certificatePolicies=1.2.3.1\npolicyConstraints=critical,requireExplicitPolicy:0",
      .leaf = { .extra = "certificatePolicies=1.2.3.1" } },
    { "an explicit policy is required, and another there", below_constrained, .reason = BAD,
      .detail = "policy",
      .ca = "certificatePolicies=1.2.3.1\npolicyConstraints=critical,requireExplicitPolicy:0",
      .leaf = { .extra = "certificatePolicies=1.2.3.2" } },
    { "an explicit policy is required, and none there, loose", below_constrained, .reason = BAD,
      .detail = "policy", .loose = true,
      .ca = "certificatePolicies=1.2.3.1\npolicyConstraints=critical,requireExplicitPolicy:0" },
};

/* --- policies --- */

static const struct policy_row {
    const char *name;
    const char *ca;
    const char *leaf;
    const char *policies; /* each followed by a blank */
} policies[] = {
    { "policies: none", NULL, NULL, "" },
    { "policies: the CA has it", "certificatePolicies=1.2.3.1,1.2.3.2",
      "certificatePolicies=1.2.3.1", "1.2.3.1 " },
    { "policies: the CA has it not", "certificatePolicies=1.2.3.2", "certificatePolicies=1.2.3.1",
      "" },
    { "policies: the CA has none", NULL, "certificatePolicies=1.2.3.1", "" },
    { "policies: one of two", "certificatePolicies=1.2.3.2", "certificatePolicies=1.2.3.1,1.2.3.2",
      "1.2.3.2 " },
    { "policies: below anyPolicy", "certificatePolicies=2.5.29.32.0", "certificatePolicies=1.2.3.1",
      "1.2.3.1 " },
    { "policies: anyPolicy in the leaf vouches for nothing", "certificatePolicies=1.2.3.1",
      "certificatePolicies=2.5.29.32.0", "" },
    { "policies: anyPolicy is inhibited",
      "certificatePolicies=2.5.29.32.0\ninhibitAnyPolicy=critical,0", "certificatePolicies=1.2.3.1",
      "1.2.3.1 " },
    { "policies: a mapped one goes by the federation's name",
      "certificatePolicies=1.2.3.1\npolicyMappings=1.2.3.1:1.2.4.1", "certificatePolicies=1.2.4.1",
      "1.2.3.1 " },
};

static void check_policies(void **state)
{
    const struct policy_row *row = *state;
    const struct chain_row like = { .ca = row->ca, .leaf = { .extra = row->leaf } };
    struct shown shown = below_constrained(&like);
    struct chain *chain = chain_to(
        root.certificate, &(struct chain_settings){ .strict = true, .wants_policies = true });
    STACK_OF(X509) *others = stack_of(shown.others);
    struct chain_path path = { .certificates = NULL };
    struct chain_failure failure = { REASON_INTERNAL, 0, "" };
    char found[256] = "";
    bool holds = chain_holds(chain, NULL, NK_PEER_IS_CLIENT, shown.leaf, others, &path, &failure);
    assert_string_equal(failure.detail, "");
    assert_true(holds);
    for (size_t i = 0; i < path.policies_len; i++) {
        snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s ", path.policies[i]);
    }
    assert_string_equal(found, row->policies);
    chain_path_clear(&path);
    chain_free(chain);
    sk_X509_pop_free(others, X509_free);
    X509_free(shown.leaf);
    ERR_clear_error();
}

/* --- roots --- */

static void roots_of_one_name_are_bounded(void **state)
{
    (void)state;
    char *paths[ROOTS_NAMESAKES_MAX + 1];
    for (size_t i = 0; i <= ROOTS_NAMESAKES_MAX; i++) {
        struct authority one = authority_make(NULL, "federation", NULL);
        char *pem = pem_of(one.certificate, NULL);
        paths[i] = (char *)path_of("%s/namesake-%zu.pem", scratch_folder(), i);
        write_file(paths[i], pem, 0644);
        free(pem);
        authority_free(&one);
        STACK_OF(X509) *roots = NULL;
        nk_error err = { .struct_size = sizeof(err) };
        nk_status status = roots_read(paths, i + 1, true, NULL, &roots, &err);
        assert_int_equal(status, i < ROOTS_NAMESAKES_MAX ? NK_OK : NK_E_TRUST);
        assert_true(status == NK_OK || strstr(err.text, "CN=federation") != NULL);
        sk_X509_pop_free(roots, X509_free);
    }
}

static void roots_are_bounded(void **state)
{
    (void)state;
    const char *folder = scratch_folder();
    char *paths[] = { (char *)path_of("%s/many.pem", folder),
                      (char *)path_of("%s/one.pem", folder) };
    char *all = calloc(ROOTS_MAX, ROOT_PEM_BYTES);
    assert_non_null(all);
    for (int i = 0; i <= ROOTS_MAX; i++) {
        struct authority one = authority_make(NULL, path_of("root-%d", i), NULL);
        char *pem = pem_of(one.certificate, NULL);
        assert_true(strlen(pem) < ROOT_PEM_BYTES);
        if (i < ROOTS_MAX) {
            strcat(all, pem);
        } else {
            write_file(paths[1], pem, 0644);
        }
        free(pem);
        authority_free(&one);
    }
    write_file(paths[0], all, 0644);
    free(all);
    STACK_OF(X509) *roots = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    assert_int_equal(roots_read(paths, 1, true, NULL, &roots, &err), NK_OK);
    assert_int_equal(sk_X509_num(roots), ROOTS_MAX);
    sk_X509_pop_free(roots, X509_free);
    assert_int_equal(roots_read(paths, 2, true, NULL, &roots, &err), NK_E_TRUST);
    assert_non_null(strstr(err.text, "more than 256 certificates, with "));
    assert_non_null(strstr(err.text, "one.pem"));
}

/* Without identifiers OpenSSL tries one root of a name only. */
static void the_last_root_of_a_name_is_found(void **state)
{
    (void)state;
    STACK_OF(X509) *roots = sk_X509_new_null();
    const struct certificate_spec bare = { .bare = true };
    struct chain_path path = { .certificates = NULL };
    struct chain_failure failure;
    struct chain *chain = NULL;
    X509 *leaves[ROOTS_NAMESAKES_MAX];
    for (int i = 0; i < ROOTS_NAMESAKES_MAX; i++) {
        struct authority one = authority_make(NULL, "federation", &bare);
        assert_true(sk_X509_push(roots, one.certificate) > 0);
        leaves[i] = issued(&one, leaf_key, &bare);
        EVP_PKEY_free(one.key);
    }
    assert_int_equal(chain_new(roots, NULL, &(struct chain_settings){ 0 }, &chain, NULL), NK_OK);
    for (int i = 0; i < ROOTS_NAMESAKES_MAX; i++) {
        assert_true(chain_holds(chain, NULL, NK_PEER_IS_CLIENT, leaves[i], NULL, &path, &failure));
        assert_ptr_equal(sk_X509_value(path.certificates, 1), sk_X509_value(roots, i));
        chain_path_clear(&path);
        X509_free(leaves[i]);
    }
    chain_free(chain);
    sk_X509_pop_free(roots, X509_free);
}

static void until_is_the_first_end(void **state)
{
    (void)state;
    struct authority brief =
        authority_make(&root, "brief", &(struct certificate_spec){ .ends_in_seconds = 7200 });
    X509 *leaf = issued(&brief, leaf_key, NULL);
    STACK_OF(X509) *others = sk_X509_new_null();
    assert_true(sk_X509_push(others, brief.certificate) > 0);
    struct chain *chain = chain_to(root.certificate, &(struct chain_settings){ .strict = true });
    struct chain_path path = { .certificates = NULL };
    struct chain_failure failure;
    assert_true(chain_holds(chain, NULL, NK_PEER_IS_CLIENT, leaf, others, &path, &failure));
    assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notAfter(brief.certificate), path.until), 0);
    chain_path_clear(&path);
    chain_free(chain);
    sk_X509_free(others);
    X509_free(leaf);
    authority_free(&brief);
}

int main(void)
{
    ROWS_OF(rows, check_chain)
    ROWS_OF(policies, check_policies)
    ROWS_TEST(roots_of_one_name_are_bounded);
    ROWS_TEST(roots_are_bounded);
    ROWS_TEST(the_last_root_of_a_name_is_found);
    ROWS_TEST(until_is_the_first_end);
    return ROWS_RUN("chain_holds", chain_scene_set_up, chain_scene_tear_down);
}
