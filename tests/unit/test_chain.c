/* SPDX-License-Identifier: Apache-2.0
 * Chains as an attacker would send them, DER in, verdict out. */
#include "chain/chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "chain/chain_limits.h"
#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "trust/roots.h"

#define SERVER NK_PEER_IS_SERVER
#define OTHERS_MAX 12
#define TEXT_BYTES 40000

static struct authority root;
static struct authority site; /* below root */
static EVP_PKEY *leaf_key;

/* What one row shows. All certificates are read again from their DER: as from the wire. */
struct shown {
    X509 *leaf;
    X509 *others[OTHERS_MAX];
    X509 *anchor; /* NULL: root */
};

struct row;
typedef struct shown shape(const struct row *row);

struct row {
    const char *name;
    shape *shape;
    const char *reason; /* NULL: holds */
    const char *detail; /* part of it */
    bool loose;         /* strict false */
    uint32_t role;      /* 0: client */
    const char *key;    /* of the shape's odd certificate */
    const char *ca;     /* extra lines of the shape's CA */
    struct certificate_spec leaf;
};

static X509 *reread(X509 *certificate)
{
    unsigned char *der = NULL;
    int len = i2d_X509(certificate, &der);
    const unsigned char *at = der;
    X509 *read = d2i_X509(NULL, &at, len);
    assert_non_null(read);
    OPENSSL_free(der);
    X509_free(certificate);
    return read;
}

static X509 *signed_by(X509 *certificate, EVP_PKEY *key, const EVP_MD *digest)
{
    assert_true(X509_sign(certificate, key, digest) > 0);
    return reread(certificate);
}

static X509 *issued(const struct authority *issuer, EVP_PKEY *key,
                    const struct certificate_spec *spec)
{
    return reread(authority_issue(issuer, key, spec));
}

static X509 *copy_of(X509 *certificate)
{
    X509_up_ref(certificate);
    return certificate;
}

static const struct certificate_spec ca_spec = { .cn = "odd ca",
                                                 .basic_constraints = "critical,CA:TRUE",
                                                 .key_usage = "critical,keyCertSign,cRLSign",
                                                 .eku = "" };

/* --- keys that nobody has --- */

static EVP_PKEY *rsa_public(int bits, const char *exponent)
{
    BIGNUM *n = BN_new();
    BIGNUM *e = NULL;
    EVP_PKEY *key = NULL;
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    assert_true(BN_rand(n, bits, BN_RAND_TOP_TWO, BN_RAND_BOTTOM_ODD) == 1);
    assert_true(BN_hex2bn(&e, exponent) > 0);
    assert_true(OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1);
    assert_true(OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    assert_true(EVP_PKEY_fromdata_init(ctx) == 1);
    assert_true(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) == 1);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(ctx);
    BN_free(n);
    BN_free(e);
    return key;
}

static EVP_PKEY *dsa_key(void)
{
    EVP_PKEY *params = NULL;
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DSA", NULL);
    assert_true(EVP_PKEY_paramgen_init(ctx) == 1 && EVP_PKEY_paramgen(ctx, &params) == 1);
    EVP_PKEY_CTX *keygen = EVP_PKEY_CTX_new_from_pkey(NULL, params, NULL);
    assert_true(EVP_PKEY_keygen_init(keygen) == 1 && EVP_PKEY_keygen(keygen, &key) == 1);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_CTX_free(keygen);
    EVP_PKEY_free(params);
    return key;
}

static EVP_PKEY *odd_key(const char *kind)
{
    if (strcmp(kind, "explicit") == 0 || strcmp(kind, "compressed") == 0) {
        EVP_PKEY *key = software_key("P-256");
        const char *name = kind[0] == 'e' ? OSSL_PKEY_PARAM_EC_ENCODING
                                          : OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT;
        assert_true(EVP_PKEY_set_utf8_string_param(key, name, kind) == 1);
        return key;
    }
    if (strcmp(kind, "DSA") == 0) {
        return dsa_key();
    }
    if (strcmp(kind, "exponent 1") == 0) {
        return rsa_public(2048, "1");
    }
    if (strcmp(kind, "exponent 64") == 0) {
        return rsa_public(2048, "8000000000000001");
    }
    if (strcmp(kind, "exponent 65") == 0) {
        return rsa_public(2048, "10000000000000001");
    }
    if (strncmp(kind, "public ", 7) == 0) {
        return rsa_public(atoi(kind + 7), "10001");
    }
    return software_key(kind);
}

/* --- shapes --- */

static struct shown plain(const struct row *row)
{
    return (struct shown){ .leaf = issued(&root, leaf_key, &row->leaf) };
}

static struct shown below_site(const struct row *row)
{
    return (struct shown){ .leaf = issued(&site, leaf_key, &row->leaf),
                           .others = { copy_of(site.certificate) } };
}

static struct shown key_of_leaf(const struct row *row)
{
    EVP_PKEY *key = odd_key(row->key);
    struct shown shown = { .leaf = issued(&root, key, &row->leaf) };
    EVP_PKEY_free(key);
    return shown;
}

static struct shown key_of_ca(const struct row *row)
{
    EVP_PKEY *key = odd_key(row->key);
    struct authority ca = { .key = leaf_key, .certificate = issued(&root, key, &ca_spec) };
    struct shown shown = { .leaf = issued(&ca, leaf_key, &row->leaf),
                           .others = { ca.certificate } };
    EVP_PKEY_free(key);
    return shown;
}

static struct shown below_constrained(const struct row *row)
{
    struct authority ca =
        authority_make(&root, "constrained", &(struct certificate_spec){ .extra = row->ca });
    struct shown shown = { .leaf = issued(&ca, leaf_key, &row->leaf),
                           .others = { reread(copy_of(ca.certificate)) } };
    authority_free(&ca);
    return shown;
}

/* `row->leaf` describes the issuer here. */
static struct shown below_odd_ca(const struct row *row)
{
    struct authority ca = { .key = software_key("P-256") };
    ca.certificate = issued(&root, ca.key, &row->leaf);
    struct shown shown = { .leaf = issued(&ca, leaf_key, NULL), .others = { ca.certificate } };
    EVP_PKEY_free(ca.key);
    return shown;
}

static struct shown too_long_below_pathlen(const struct row *row)
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

static struct shown intermediate_as_anchor(const struct row *row)
{
    struct shown shown = below_site(row);
    shown.anchor = site.certificate;
    return shown;
}

static struct shown namesake_root(const struct row *row)
{
    struct authority mimic = authority_make(NULL, "federation", NULL);
    struct shown shown = { .leaf = issued(&mimic, leaf_key, &row->leaf),
                           .others = { mimic.certificate } };
    EVP_PKEY_free(mimic.key);
    return shown;
}

/* The key identifiers are only numbers: it takes the real one's. */
static struct shown namesake_site(const struct row *row)
{
    EVP_PKEY *key = software_key("P-256");
    struct authority mimic = { .key = key, .certificate = site.certificate };
    (void)row;
    struct shown shown = { .leaf = issued(&mimic, leaf_key, NULL),
                           .others = { copy_of(site.certificate) } };
    EVP_PKEY_free(key);
    return shown;
}

static struct shown loop(const struct row *row)
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
static struct shown crowd(const struct row *row)
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

static struct shown eleven(const struct row *row)
{
    struct shown shown = below_site(row);
    for (int i = 1; i < 10; i++) {
        EVP_PKEY *key = software_key("P-256");
        shown.others[i] = issued(&root, key, NULL);
        EVP_PKEY_free(key);
    }
    return shown;
}

/* `row->key` is their kind and, after a blank, their number. */
static struct shown below_many(const struct row *row)
{
    char kind[8] = "";
    int len = 0;
    struct shown shown = { .leaf = NULL };
    struct authority issuer = root;
    assert_int_equal(sscanf(row->key, "%7s %d", kind, &len), 2);
    for (int i = len - 1; i >= 0; i--) {
        char cn[16];
        snprintf(cn, sizeof(cn), "ca %d", i);
        struct certificate_spec spec = ca_spec;
        spec.cn = cn;
        struct authority next = { .key = software_key(kind) };
        next.certificate = issued(&issuer, next.key, &spec);
        if (i < len - 1) {
            EVP_PKEY_free(issuer.key);
        }
        shown.others[i] = next.certificate;
        issuer = next;
    }
    shown.leaf = issued(&issuer, leaf_key, &row->leaf);
    EVP_PKEY_free(issuer.key);
    return shown;
}

static struct shown root_sent_along(const struct row *row)
{
    struct shown shown = below_site(row);
    shown.others[1] = copy_of(root.certificate);
    return shown;
}

/* It makes eleven, and is none of them. */
static struct shown root_beside_ten(const struct row *row)
{
    struct shown shown = eleven(row);
    X509_free(shown.others[9]);
    shown.others[9] = copy_of(root.certificate);
    return shown;
}

static struct shown repeated_extension(const struct row *row)
{
    X509 *leaf = authority_issue(&root, leaf_key, &row->leaf);
    X509_EXTENSION *extension = X509_get_ext(leaf, X509_get_ext_count(leaf) - 1);
    assert_true(X509_add_ext(leaf, extension, -1) == 1);
    return (struct shown){ .leaf = signed_by(leaf, root.key, EVP_sha256()) };
}

static struct shown version_1(const struct row *row)
{
    X509 *leaf = authority_issue(&root, leaf_key, &row->leaf);
    while (X509_get_ext_count(leaf) > 0) {
        X509_EXTENSION_free(X509_delete_ext(leaf, 0));
    }
    assert_true(X509_set_version(leaf, X509_VERSION_1) == 1);
    return (struct shown){ .leaf = signed_by(leaf, root.key, EVP_sha256()) };
}

/* Version 1 knows no CA:TRUE, so it may not issue. */
static struct shown version_1_ca(const struct row *row)
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
static struct shown serial(const struct row *row)
{
    X509 *leaf = authority_issue(&root, leaf_key, &row->leaf);
    BIGNUM *number = NULL;
    assert_true(BN_hex2bn(&number, row->key) > 0);
    assert_non_null(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(leaf)));
    BN_free(number);
    return (struct shown){ .leaf = signed_by(leaf, root.key, EVP_sha256()) };
}

static struct shown below_rsa(const struct row *row)
{
    struct authority ca = { .key = software_key("RSA-2048") };
    ca.certificate = issued(&root, ca.key, &ca_spec);
    struct shown shown = { .leaf = issued(&ca, leaf_key, &row->leaf),
                           .others = { ca.certificate } };
    EVP_PKEY_free(ca.key);
    return shown;
}

static struct shown below_rsa_pss(const struct row *row)
{
    struct authority ca = { .key = software_key("RSA-2048") };
    ca.certificate = issued(&root, ca.key, &ca_spec);
    X509 *leaf = authority_issue(&ca, leaf_key, NULL);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key = NULL;
    assert_true(EVP_DigestSignInit(ctx, &key, row->leaf.digest, NULL, ca.key) == 1);
    assert_true(EVP_PKEY_CTX_set_rsa_padding(key, RSA_PKCS1_PSS_PADDING) == 1);
    assert_true(X509_sign_ctx(leaf, ctx) > 0);
    EVP_MD_CTX_free(ctx);
    struct shown shown = { .leaf = reread(leaf), .others = { ca.certificate } };
    EVP_PKEY_free(ca.key);
    return shown;
}

/* --- limits: `row->key` is the count --- */

static char text[TEXT_BYTES];

static const char *repeat(const char *head, const char *fmt, int count)
{
    size_t used = (size_t)snprintf(text, sizeof(text), "%s", head);
    for (int i = 0; i < count; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s", i > 0 ? "," : "");
        for (const char *at = fmt; *at != '\0'; at++) {
            used += *at == '#' ? (size_t)snprintf(text + used, sizeof(text) - used, "%d", i)
                               : (size_t)snprintf(text + used, sizeof(text) - used, "%c", *at);
        }
        assert_in_range(used, 0, sizeof(text) - 2);
    }
    return text;
}

static struct shown many_in_ca(const struct row *row)
{
    struct row with = *row;
    const char *cut = strchr(row->ca, '=') + 1;
    char head[64];
    snprintf(head, sizeof(head), "%.*s", (int)(cut - row->ca), row->ca);
    with.ca = repeat(head, cut, atoi(row->key));
    return below_constrained(&with);
}

static struct shown many_in_leaf(const struct row *row)
{
    struct row with = *row;
    const char *cut = strchr(row->ca, '=') + 1;
    char head[64];
    snprintf(head, sizeof(head), "%.*s", (int)(cut - row->ca), row->ca);
    with.leaf.extra = repeat(head, cut, atoi(row->key));
    return plain(&with);
}

static struct shown many_extensions(const struct row *row)
{
    struct row with = *row;
    int count = atoi(row->key);
    size_t used = 0;
    for (int i = 0; i < count; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "1.2.3.4.%d=DER:0500\n", i);
    }
    with.leaf.extra = text;
    return plain(&with);
}

static const char *padding(int bytes)
{
    size_t used = (size_t)snprintf(text, sizeof(text), "1.2.3.4=DER:");
    assert_in_range(used + 2 * (size_t)bytes, 0, sizeof(text) - 1);
    memset(text + used, '0', 2 * (size_t)bytes);
    text[used + 2 * (size_t)bytes] = '\0';
    return text;
}

static struct shown heavy(const struct row *row)
{
    struct row with = *row;
    with.leaf.extra = padding(atoi(row->key));
    return plain(&with);
}

/* Each is small enough, all are not. */
static struct shown heavy_together(const struct row *row)
{
    struct shown shown = { .leaf = issued(&root, leaf_key, &row->leaf) };
    const struct certificate_spec spec = { .extra = padding(15000) };
    for (int i = 0; i < atoi(row->key); i++) {
        shown.others[i] = issued(&root, leaf_key, &spec);
    }
    return shown;
}

static struct shown many_attributes(const struct row *row)
{
    X509 *leaf = authority_issue(&root, leaf_key, &row->leaf);
    X509_NAME *subject = X509_NAME_new();
    for (int i = 0; i < atoi(row->key); i++) {
        assert_true(X509_NAME_add_entry_by_txt(subject, "OU", MBSTRING_ASC,
                                               (const unsigned char *)"u", -1, -1, 0) == 1);
    }
    assert_true(X509_set_subject_name(leaf, subject) == 1);
    X509_NAME_free(subject);
    return (struct shown){ .leaf = signed_by(leaf, root.key, EVP_sha256()) };
}

/* Each is within its own limit; the product is not. */
static struct shown names_times_subtrees(const struct row *row)
{
    struct row with = *row;
    struct authority ca = authority_make(
        &root, "constrained",
        &(struct certificate_spec){ .extra = repeat("nameConstraints=", "permitted;DNS:d#.example",
                                                    CHAIN_LIMITS_SUBTREES) });
    with.leaf.san = repeat("", "DNS:n.d#.example", atoi(row->key));
    struct shown shown = { .leaf = issued(&ca, leaf_key, &with.leaf),
                           .others = { reread(copy_of(ca.certificate)) } };
    authority_free(&ca);
    return shown;
}

#define NC_DNS "nameConstraints=critical,permitted;DNS:fed.example"
#define NC_URI "nameConstraints=critical,permitted;URI:.fed.example"
#define NC_IP "nameConstraints=critical,permitted;IP:10.0.0.0/255.0.0.0"
#define NC_EMAIL "nameConstraints=critical,permitted;email:fed.example"
#define NC_NOT "nameConstraints=critical,excluded;DNS:fed.example"
#define WEAK "weak-key"
#define BAD "chain-invalid"

static const struct row rows[] = {
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
    /* keys */
    { "explicit curve parameters", key_of_leaf, .reason = BAD, .detail = "parameters of its own",
      .key = "explicit" },
    { "explicit curve parameters, loose", key_of_leaf, .reason = BAD,
      .detail = "parameters of its own", .loose = true, .key = "explicit" },
    { "explicit curve parameters in a CA, loose", key_of_ca, .reason = BAD,
      .detail = "parameters of its own", .loose = true, .key = "explicit" },
    { "a compressed point", key_of_leaf, .reason = BAD, .detail = "uncompressed",
      .key = "compressed" },
    { "a compressed point, loose", key_of_leaf, .reason = BAD, .detail = "uncompressed",
      .loose = true, .key = "compressed" },
    { "P-224", key_of_leaf, .reason = BAD, .detail = "another curve", .key = "P-224" },
    { "P-384", key_of_leaf, .reason = NULL, .key = "P-384" },
    { "P-521", key_of_leaf, .reason = NULL, .key = "P-521" },
    { "Ed25519", key_of_leaf, .reason = NULL, .key = "Ed25519" },
    { "Ed448", key_of_leaf, .reason = WEAK, .detail = "none of", .key = "ED448" },
    { "DSA", key_of_leaf, .reason = WEAK, .detail = "none of", .key = "DSA" },
    { "RSA-1024, loose", key_of_leaf, .reason = WEAK, .detail = "less than 2048", .loose = true,
      .key = "public 1024" },
    { "RSA-2048", key_of_leaf, .reason = NULL, .key = "public 2048" },
    { "RSA-8192", key_of_leaf, .reason = NULL, .key = "public 8192" },
    { "RSA-8193", key_of_leaf, .reason = BAD, .detail = "more than 8192", .key = "public 8193" },
    { "RSA-16384", key_of_leaf, .reason = BAD, .detail = "more than 8192", .key = "public 16384" },
    { "RSA-16384 in a CA", key_of_ca, .reason = BAD, .detail = "more than 8192",
      .key = "public 16384" },
    { "RSA-16384 in a CA, loose", key_of_ca, .reason = BAD, .detail = "more than 8192",
      .loose = true, .key = "public 16384" },
    { "an exponent of 64 bits", key_of_leaf, .reason = NULL, .key = "exponent 64" },
    { "an exponent of 65 bits", key_of_leaf, .reason = BAD, .detail = "exponent",
      .key = "exponent 65" },
    { "an exponent of 65 bits in a CA", key_of_ca, .reason = BAD, .detail = "exponent",
      .key = "exponent 65" },
    { "exponent 1", key_of_leaf, .reason = WEAK, .detail = "exponent", .key = "exponent 1" },
    /* signatures: the digest is named by make_digests */
    { "RSA with SHA-256", below_rsa, .reason = NULL, .key = "SHA-256" },
    { "RSA with MD5", below_rsa, .reason = WEAK, .detail = "md5", .key = "MD5" },
    { "RSA with MD5, loose", below_rsa, .reason = WEAK, .detail = "md5", .loose = true,
      .key = "MD5" },
    { "RSA with SHA-1", below_rsa, .reason = WEAK, .detail = "sha1", .key = "SHA-1" },
    { "RSA with SHA-224", below_rsa, .reason = WEAK, .detail = "sha224", .key = "SHA-224" },
    { "RSA-PSS with SHA-256", below_rsa_pss, .reason = NULL, .key = "SHA-256" },
    { "RSA-PSS with SHA-1", below_rsa_pss, .reason = WEAK, .detail = "signed with",
      .key = "SHA-1" },
    { "ECDSA with SHA-1, loose", plain, .reason = WEAK, .detail = "SHA1", .loose = true,
      .key = "SHA-1" },
    { "ECDSA with SHA-512", plain, .reason = NULL, .key = "SHA-512" },
    /* limits: as many as are taken, and one more */
    { "eleven certificates", eleven, .reason = BAD, .detail = "11 certificates" },
    { "64 names", many_in_leaf, .reason = NULL, .key = "64", .ca = "subjectAltName=DNS:n#" },
    { "65 names", many_in_leaf, .reason = BAD, .detail = "subjectAltName has 65", .key = "65",
      .ca = "subjectAltName=DNS:n#" },
    { "65 names in a CA", many_in_ca, .reason = BAD, .detail = "subjectAltName has 65", .key = "65",
      .ca = "subjectAltName=DNS:n#" },
    { "256 subtrees", many_in_ca, .reason = NULL, .key = "256",
      .ca = "nameConstraints=excluded;DNS:d#" },
    { "257 subtrees", many_in_ca, .reason = BAD, .detail = "nameConstraints has 257", .key = "257",
      .ca = "nameConstraints=excluded;DNS:d#" },
    { "names times subtrees", names_times_subtrees, .reason = BAD, .detail = "name constraints",
      .key = "64" },
    { "5 issuers with costly keys", below_many, .reason = NULL, .key = "P-384 5" },
    { "6 issuers with costly keys", below_many, .reason = BAD, .detail = "cost too much",
      .key = "P-384 6" },
    { "8 issuers", below_many, .reason = NULL, .key = "P-256 8" },
    { "names times subtrees, fewer", names_times_subtrees, .reason = NULL, .key = "50" },
    { "32 policies", many_in_leaf, .reason = NULL, .key = "32",
      .ca = "certificatePolicies=1.2.3.#" },
    { "33 policies", many_in_leaf, .reason = BAD, .detail = "certificatePolicies has 33",
      .key = "33", .ca = "certificatePolicies=1.2.3.#" },
    { "16 mappings", many_in_ca, .reason = NULL, .key = "16",
      .ca = "policyMappings=1.2.3.#:1.2.4.#" },
    { "17 mappings", many_in_ca, .reason = BAD, .detail = "policyMappings has 17", .key = "17",
      .ca = "policyMappings=1.2.3.#:1.2.4.#" },
    { "33 distribution points", many_in_leaf, .reason = BAD,
      .detail = "cRLDistributionPoints has 33", .key = "33",
      .ca = "crlDistributionPoints=URI:http://c/#" },
    { "routes", below_constrained, .reason = BAD, .detail = "IPAddrBlocks",
      .ca = "sbgp-ipAddrBlock=IPv4:10.0.0.0/8" },
    { "65 extensions", many_extensions, .reason = BAD, .detail = "extensions", .key = "65" },
    { "50 extensions", many_extensions, .reason = NULL, .key = "50" },
    { "15 KiB", heavy, .reason = NULL, .key = "15000" },
    { "over 16 KiB", heavy, .reason = BAD, .detail = "bytes", .key = "16384" },
    { "over 64 KiB together", heavy_together, .reason = BAD, .detail = "more than 65536",
      .key = "5" },
    { "60 KiB together", heavy_together, .reason = NULL, .key = "4" },
    { "64 attributes", many_attributes, .reason = NULL, .key = "64" },
    { "65 attributes", many_attributes, .reason = BAD, .detail = "attributes", .key = "65" },
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

static struct chain *chain_to(X509 *anchor, const struct chain_settings *settings)
{
    struct chain *chain = NULL;
    STACK_OF(X509) *roots = sk_X509_new_null();
    assert_true(sk_X509_push(roots, anchor) > 0);
    assert_int_equal(chain_new(roots, NULL, settings, &chain, NULL), NK_OK);
    sk_X509_free(roots);
    return chain;
}

static STACK_OF(X509) *stack_of(X509 *const *certificates)
{
    STACK_OF(X509) *stack = sk_X509_new_null();
    for (int i = 0; i < OTHERS_MAX && certificates[i] != NULL; i++) {
        assert_true(sk_X509_push(stack, certificates[i]) > 0);
    }
    return stack;
}

static void check_row(void **state)
{
    struct row row = *(const struct row *)*state;
    if (row.key != NULL && (strncmp(row.key, "SHA-", 4) == 0 || strcmp(row.key, "MD5") == 0)) {
        row.leaf.digest = EVP_get_digestbyname(strcmp(row.key, "SHA-1") == 0     ? "SHA1"
                                               : strcmp(row.key, "SHA-256") == 0 ? "SHA256"
                                               : strcmp(row.key, "SHA-224") == 0 ? "SHA224"
                                               : strcmp(row.key, "SHA-512") == 0 ? "SHA512"
                                                                                 : "MD5");
        assert_non_null(row.leaf.digest);
    }
    struct shown shown = row.shape(&row);
    const struct chain_settings settings = { .strict = !row.loose };
    struct chain *chain =
        chain_to(shown.anchor != NULL ? shown.anchor : root.certificate, &settings);
    STACK_OF(X509) *others = stack_of(shown.others);
    struct chain_path path = { .certificates = NULL };
    struct chain_failure failure = { REASON_INTERNAL, 0, "" };
    bool holds = chain_holds(chain, NULL, row.role != 0 ? row.role : NK_PEER_IS_CLIENT, shown.leaf,
                             others, &path, &failure);
    print_message("%s: %s\n", holds ? "holds" : reason_label(failure.reason), failure.detail);
    assert_string_equal(holds ? "" : reason_label(failure.reason),
                        row.reason != NULL ? row.reason : "");
    if (row.detail != NULL) {
        assert_non_null(strstr(failure.detail, row.detail));
    }
    if (holds) {
        assert_ptr_equal(sk_X509_value(path.certificates, 0), shown.leaf);
    }
    chain_path_clear(&path);
    chain_free(chain);
    sk_X509_pop_free(others, X509_free);
    X509_free(shown.leaf);
    ERR_clear_error();
}

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
    const struct row like = { .ca = row->ca, .leaf = { .extra = row->leaf } };
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

/* --- the rest --- */

static void roots_of_one_name_are_bounded(void **state)
{
    (void)state;
    STACK_OF(X509) *roots = sk_X509_new_null();
    const struct chain_settings settings = { .strict = true };
    for (int i = 0; i <= CHAIN_NAMESAKES_MAX; i++) {
        struct authority one = authority_make(NULL, "federation", NULL);
        assert_true(sk_X509_push(roots, one.certificate) > 0);
        EVP_PKEY_free(one.key);
        struct chain *chain = NULL;
        nk_error err = { .struct_size = sizeof(err) };
        nk_status status = chain_new(roots, NULL, &settings, &chain, &err);
        assert_int_equal(status, i < CHAIN_NAMESAKES_MAX ? NK_OK : NK_E_TRUST);
        chain_free(chain);
    }
    sk_X509_pop_free(roots, X509_free);
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
    X509 *leaves[CHAIN_NAMESAKES_MAX];
    for (int i = 0; i < CHAIN_NAMESAKES_MAX; i++) {
        struct authority one = authority_make(NULL, "federation", &bare);
        assert_true(sk_X509_push(roots, one.certificate) > 0);
        leaves[i] = issued(&one, leaf_key, &bare);
        EVP_PKEY_free(one.key);
    }
    assert_int_equal(chain_new(roots, NULL, &(struct chain_settings){ 0 }, &chain, NULL), NK_OK);
    for (int i = 0; i < CHAIN_NAMESAKES_MAX; i++) {
        assert_true(chain_holds(chain, NULL, NK_PEER_IS_CLIENT, leaves[i], NULL, &path, &failure));
        assert_ptr_equal(sk_X509_value(path.certificates, 1), sk_X509_value(roots, i));
        chain_path_clear(&path);
        X509_free(leaves[i]);
    }
    chain_free(chain);
    sk_X509_pop_free(roots, X509_free);
}

/* What each handshake would cost, or could be spelt in two ways, is told at open. */
static void roots_have_keys_of_our_kinds(void **state)
{
    (void)state;
    static const char *const kinds[] = { "P-224", "explicit", "compressed", "P-384" };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        EVP_PKEY *key = odd_key(kinds[i]);
        X509 *certificate = authority_issue(NULL, key, &ca_spec);
        char *pem = pem_of(certificate, NULL);
        char *path = (char *)path_of("%s/root.pem", scratch_folder());
        STACK_OF(X509) *read = NULL;
        nk_error err = { .struct_size = sizeof(err) };
        write_file(path, pem, 0644);
        nk_status status = roots_read(&path, 1, false, NULL, &read, &err);
        print_message("%s\n", err.text);
        assert_int_equal(status, i == 3 ? NK_OK : NK_E_TRUST);
        assert_true(status == NK_OK || strstr(err.text, "kind that is not taken") != NULL);
        sk_X509_pop_free(read, X509_free);
        free(pem);
        X509_free(certificate);
        EVP_PKEY_free(key);
    }
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

static int set_up(void **state)
{
    (void)state;
    leaf_key = software_key("P-256");
    root = authority_make(NULL, "federation", NULL);
    site = authority_make(&root, "site", NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    authority_free(&site);
    authority_free(&root);
    EVP_PKEY_free(leaf_key);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(roots_of_one_name_are_bounded),
        cmocka_unit_test(the_last_root_of_a_name_is_found),
        cmocka_unit_test(roots_have_keys_of_our_kinds),
        cmocka_unit_test(until_is_the_first_end),
    };
    struct CMUnitTest tests[ARRAY_LEN(rows) + ARRAY_LEN(policies) + ARRAY_LEN(others)] = { 0 };
    size_t len = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        tests[len++] = (struct CMUnitTest){ rows[i].name, check_row, NULL, NULL, (void *)&rows[i] };
    }
    for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
        tests[len++] = (struct CMUnitTest){ policies[i].name, check_policies, NULL, NULL,
                                            (void *)&policies[i] };
    }
    memcpy(tests + len, others, sizeof(others));
    return cmocka_run_group_tests_name("chain_holds", tests, set_up, tear_down);
}
