/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/certified.h"
#include "peer/peer.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>

#include "fixtures/authority.h"
#include "fixtures/rows.h"

#define LABEL63 "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabc"
#define LAST_NAME 64 /* numbered from 0: the sixty-fifth */

static struct authority root;
static EVP_PKEY *key;

static char *issue_pem(const struct certificate_spec *spec)
{
    X509 *leaf = authority_issue(&root, key, spec);
    char *pem = pem_of(leaf, NULL);
    X509_free(leaf);
    return pem;
}

/* --- names of the leaf --- */

static const struct row {
    const char *name; /* the rule this row proves; it is the test's name */
    struct certificate_spec spec;
    const char *refusal;  /* a piece of the text; NULL: read */
    const char *names[6]; /* what is read, in order */
} rows[] = {
    { "a URI is read", { .san = "URI:spiffe://f/a" }, NULL, { "spiffe://f/a" } },
    { "all kinds are read in order",
      { .san = "DNS:a.example,IP:10.0.0.1,email:x@example,URI:spiffe://f/a" },
      NULL,
      { "a.example", "10.0.0.1", "x@example", "spiffe://f/a" } },
    { "IPv6 is in RFC 5952 form", { .san = "IP:2001:0DB8:0:0:0:0:0:1" }, NULL, { "2001:db8::1" } },
    { "other kinds are skipped", { .san = "RID:1.2.3,DNS:a.example" }, NULL, { "a.example" } },
    { "no SAN is no name", { 0 }, NULL, { NULL } },
    { "NUL in a URI is refused",
      { .extra = "subjectAltName=DER:300a860873703a2f2f610062" },
      "0x00",
      { NULL } },
    { "NUL in a DNS name is refused",
      { .extra = "subjectAltName=DER:3005820361"
                 "0062" },
      "0x00",
      { NULL } },
    { "non-ASCII in a DNS name is refused",
      { .extra = "subjectAltName=DER:30048202c3a9" },
      "0xc3",
      { NULL } },
    { "a space in a URI is refused",
      { .extra = "subjectAltName=DER:30058603612062" },
      "0x20",
      { NULL } },
    { "a control byte in an email is refused",
      { .extra = "subjectAltName=DER:3005810361"
                 "0a62" },
      "0x0a",
      { NULL } },
    { "an empty DNS name is refused",
      { .extra = "subjectAltName=DER:30028200" },
      "empty",
      { NULL } },
    { "an address of 5 bytes is refused",
      { .extra = "subjectAltName=DER:300787050102030405" },
      "5 bytes",
      { NULL } },
    { "a malformed SAN is refused",
      { .extra = "subjectAltName=DER:30ff00" },
      "malformed",
      { NULL } },
    { "the longest DNS label is read", { .san = "DNS:" LABEL63 ".a" }, NULL, { LABEL63 ".a" } },
    { "a longer DNS label is refused", { .san = "DNS:" LABEL63 "d.a" }, "63", { NULL } },
    { "an empty DNS label is refused", { .san = "DNS:a..example" }, "empty label", { NULL } },
    { "a DNS label with a hyphen at its end is refused",
      { .san = "DNS:a-.example" },
      "hyphen",
      { NULL } },
    { "a star that is not leftmost is refused",
      { .san = "DNS:a.*.example" },
      "leftmost",
      { NULL } },
    { "a star in a label is refused", { .san = "DNS:a*.example" }, "leftmost", { NULL } },
    { "two stars are refused", { .san = "DNS:*.*.example" }, "leftmost", { NULL } },
    { "two dots at the end are refused", { .san = "DNS:a.example.." }, "empty label", { NULL } },
    { "a dot alone is refused", { .san = "DNS:." }, "empty label", { NULL } },
    { "a port after a DNS name is refused", { .san = "DNS:a.example:1" }, "no DNS name", { NULL } },
    { "DNS names as certificates have them are read",
      { .san = "DNS:_a.Example,DNS:*.example,DNS:a.example.,DNS:10.0.0.1,DNS:3com" },
      NULL,
      { "_a.Example", "*.example", "a.example.", "10.0.0.1", "3com" } },
    { "an IPv4 address mapped into IPv6 is refused",
      { .san = "IP:::ffff:10.0.0.1" },
      "::ffff:10.0.0.1 is an IPv4 address",
      { NULL } },
    { "an IPv4-compatible IPv6 address is refused",
      { .san = "IP:::10.0.0.1" },
      "is an IPv4 address",
      { NULL } },
    { "the lowest two IPv6 addresses are read", { .san = "IP:::,IP:::1" }, NULL, { "::", "::1" } },
    { "the third is an IPv4-compatible one", { .san = "IP:::2" }, "IPv4", { NULL } },
    { "an address translated from IPv4 is one of its own",
      { .san = "IP:64:ff9b::a00:1" },
      NULL,
      { "64:ff9b::a00:1" } },
    { "bytes after the SAN are refused",
      { .extra = "subjectAltName=DER:300382016100" },
      "not DER",
      { NULL } },
    { "a second SAN after the SAN is refused",
      { .extra = "subjectAltName=DER:30038201613003820162" },
      "not DER",
      { NULL } },
    { "a SAN of indefinite length is refused",
      { .extra = "subjectAltName=DER:30808201610000" },
      "not DER",
      { NULL } },
    { "a SAN with a long form of a short length is refused",
      { .extra = "subjectAltName=DER:3081038201"
                 "61" },
      "not DER",
      { NULL } },
    { "a name in pieces is refused",
      { .extra = "subjectAltName=DER:3008a206160161160162" },
      "not DER",
      { NULL } },
    { "bytes after the extended key usages are refused",
      { .eku = "", .extra = "extendedKeyUsage=DER:300a06082b0601050507030200" },
      "not DER",
      { NULL } },
    { "two SAN extensions are refused",
      { .san = "DNS:a", .extra = "subjectAltName=DNS:b" },
      "twice",
      { NULL } },
    { "a control byte in the common name is refused", { .cn = "a\nb" }, "common name", { NULL } },
    { "non-ASCII in the common name is read", { .cn = "caf\xc3\xa9" }, NULL, { NULL } },
    { "a common name with spaces is read", { .cn = "My CA" }, NULL, { NULL } },
};

static void check_row(void **state)
{
    const struct row *row = *state;
    struct peer *untouched = (struct peer *)&root;
    struct peer *peer = untouched;
    nk_error err = { .struct_size = sizeof(err) };
    char *pem = issue_pem(&row->spec);

    ERR_raise(ERR_LIB_USER, 1); /* left behind by someone else on this thread */
    nk_status status = peer_read(NK_PEER_IS_CLIENT, NULL, pem, NULL, &peer, &err);
    assert_int_equal(ERR_peek_error(), 0);
    free(pem);
    assert_int_equal(status, row->refusal == NULL ? NK_OK : NK_E_PEER);
    if (row->refusal != NULL) {
        assert_ptr_equal(peer, untouched);
        if (strstr(err.text, row->refusal) == NULL) {
            fail_msg("\"%s\" does not say \"%s\"", err.text, row->refusal);
        }
        return;
    }
    size_t len = 0;
    for (; row->names[len] != NULL; len++) {
        assert_true(len < peer->facts.names_len);
        assert_string_equal(peer->facts.names[len].text, row->names[len]);
    }
    assert_int_equal(peer->facts.names_len, len);
    assert_string_equal(peer->facts.common_name, row->spec.cn != NULL ? row->spec.cn : "node");
    peer_free(peer);
}

/* --- shapes of what was sent --- */

static char *join(const char *a, const char *b)
{
    char *text = NULL;
    assert_true(asprintf(&text, "%s%s", a, b) >= 0);
    return text;
}

/* Checks how many certificates a peer of this PEM has; -1: refused. */
static void check_count(const char *leaf, const char *chain, int want)
{
    struct peer *peer = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    nk_status status = peer_read(NK_PEER_IS_SERVER, "host", leaf, chain, &peer, &err);
    assert_int_equal(ERR_peek_error(), 0);
    if (want < 0) {
        assert_int_equal(status, NK_E_PEER);
        assert_int_equal(err.status, NK_E_PEER);
        assert_null(peer);
        return;
    }
    assert_int_equal(status, NK_OK);
    assert_int_equal(peer->facts.chain_len, want);
    assert_int_equal(sk_X509_num(peer->others), want - 1);
    peer_free(peer);
}

static void no_certificate(void **state)
{
    (void)state;
    check_count(NULL, NULL, -1);
    check_count("", NULL, -1);
}

static void garbage(void **state)
{
    (void)state;
    check_count("garbage", NULL, -1);
    check_count("-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n", NULL, -1);
    check_count("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", NULL, -1);
    check_count("-----BEGIN CERTIFICATE-----\nAAAA\n", NULL, -1);
}

static void garbage_names_openssl(void **state)
{
    (void)state;
    struct peer *peer = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    const char *pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_int_equal(peer_read(NK_PEER_IS_CLIENT, NULL, pem, NULL, &peer, &err), NK_E_PEER);
    assert_int_equal(err.native_kind, NK_NATIVE_OPENSSL);
    assert_true(err.native != 0);
}

static void a_private_key_is_no_certificate(void **state)
{
    (void)state;
    char *pem = pem_of_key(key);
    check_count(pem, NULL, -1);
    free(pem);
}

static void an_encrypted_block_asks_nobody(void **state)
{
    (void)state;
    check_count("-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n"
                "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\nAAAA\n"
                "-----END CERTIFICATE-----\n",
                NULL, -1);
}

static void the_leaf_in_the_chain_counts_once(void **state)
{
    (void)state;
    char *leaf = issue_pem(NULL);
    char *ca = pem_of(root.certificate, NULL);
    char *with = join(leaf, ca);
    char *twice = join(with, with);
    check_count(leaf, NULL, 1);
    check_count(leaf, "", 1);
    check_count(leaf, leaf, 1);
    check_count(leaf, ca, 2);
    check_count(leaf, with, 2);
    check_count(leaf, twice, 2);
    check_count(with, NULL, 2); /* the first is the leaf */
    free(leaf);
    free(ca);
    free(with);
    free(twice);
}

static void garbage_in_the_chain_is_refused(void **state)
{
    (void)state;
    char *leaf = issue_pem(NULL);
    check_count(leaf, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", -1);
    free(leaf);
}

static void ten_certificates_are_read_eleven_are_not(void **state)
{
    (void)state;
    char *leaf = issue_pem(NULL);
    char *chain = strdup("");
    for (int i = 2; i <= PEER_CHAIN_MAX_CERTS + 1; i++) {
        char *one = issue_pem(NULL);
        char *longer = join(chain, one);
        free(one);
        free(chain);
        chain = longer;
        check_count(leaf, chain, i <= PEER_CHAIN_MAX_CERTS ? i : -1);
    }
    free(leaf);
    free(chain);
}

static void too_many_bytes_are_refused(void **state)
{
    (void)state;
    char *leaf = issue_pem(NULL);
    char *filler = malloc(PEER_CHAIN_MAX_BYTES + 1);
    assert_non_null(filler);
    memset(filler, '\n', PEER_CHAIN_MAX_BYTES);
    filler[PEER_CHAIN_MAX_BYTES] = '\0';
    check_count(leaf, filler, 1);
    char *long_leaf = join(leaf, filler);
    check_count(long_leaf, NULL, -1);
    check_count(leaf, long_leaf, -1);
    free(leaf);
    free(filler);
    free(long_leaf);
}

static void sixty_four_names_are_read_sixty_five_are_not(void **state)
{
    (void)state;
    char san[2048] = "DNS:n0";
    size_t len = strlen(san);
    for (int i = 1; i <= LAST_NAME; i++) {
        struct peer *peer = NULL;
        if (i == LAST_NAME) { /* 64 so far */
            char *pem = issue_pem(&(struct certificate_spec){ .san = san });
            assert_int_equal(peer_read(NK_PEER_IS_CLIENT, NULL, pem, NULL, &peer, NULL), NK_OK);
            assert_int_equal(peer->facts.names_len, TRAITS_NAMES_MAX);
            peer_free(peer);
            free(pem);
        }
        len += (size_t)snprintf(san + len, sizeof(san) - len, ",DNS:n%d", i);
    }
    char *pem = issue_pem(&(struct certificate_spec){ .san = san });
    check_count(pem, NULL, -1);
    free(pem);
}

static void facts_are_complete(void **state)
{
    (void)state;
    X509 *leaf =
        authority_issue(&root, key, &(struct certificate_spec){ .cn = "a", .san = "DNS:a,DNS:b" });
    char *pem = pem_of(leaf, root.certificate, NULL);
    struct peer *peer = NULL;
    assert_int_equal(peer_read(NK_PEER_IS_SERVER, "host", pem, NULL, &peer, NULL), NK_OK);

    unsigned char digest[NK_SHA256_BYTES];
    assert_int_equal(X509_digest(leaf, EVP_sha256(), digest, NULL), 1);
    assert_memory_equal(peer->facts.leaf_sha256, digest, sizeof(digest));
    unsigned char *spki = NULL;
    int spki_len = i2d_PUBKEY(key, &spki);
    assert_true(spki_len > 0);
    assert_int_equal(EVP_Digest(spki, (size_t)spki_len, digest, NULL, EVP_sha256(), NULL), 1);
    assert_memory_equal(peer->facts.spki_sha256, digest, sizeof(digest));
    OPENSSL_free(spki);
    unsigned char *der = NULL;
    int der_len = i2d_X509(leaf, &der);
    assert_int_equal(peer->facts.chain[0].len, der_len);
    assert_memory_equal(peer->facts.chain[0].data, der, (size_t)der_len);
    OPENSSL_free(der);
    assert_string_equal(peer->facts.target, "host");
    assert_int_equal(peer->facts.role, NK_PEER_IS_SERVER);
    assert_null(peer->facts.rule);

    char text[200];
    peer_describe(peer, text, sizeof(text));
    assert_int_equal(strncmp(text, "CN=a, a (and 1 more), sha256:", 29), 0);
    peer_describe(peer, text, 5);
    assert_string_equal(text, "CN=a");
    peer_free(peer);
    peer_free(NULL);
    X509_free(leaf);
    free(pem);
}

static void an_unknown_role_is_refused(void **state)
{
    (void)state;
    struct peer *peer = NULL;
    assert_int_equal(peer_read(3, NULL, "x", NULL, &peer, NULL), NK_E_USAGE);
    assert_null(peer);
}

/* --- traits --- */

static struct peer *read_good(X509 *leaf)
{
    char *pem = pem_of(leaf, NULL);
    struct peer *peer = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    if (peer_read(NK_PEER_IS_CLIENT, NULL, pem, NULL, &peer, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    free(pem);
    return peer;
}

static void refuse(X509 *leaf, const char *want)
{
    char *pem = pem_of(leaf, NULL);
    struct peer *peer = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    assert_int_equal(peer_read(NK_PEER_IS_CLIENT, NULL, pem, NULL, &peer, &err), NK_E_PEER);
    if (strstr(err.text, want) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, want);
    }
    assert_null(peer);
    assert_int_equal(ERR_peek_error(), 0);
    free(pem);
}

static void key_types_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *make;
        const char *want;
    } keys[] = {
        { "RSA-2048", "RSA-2048" }, { "RSA-3072", "RSA-3072" },  { "P-256", "P-256" },
        { "P-384", "P-384" },       { "P-521", "P-521" },        { "Ed25519", "Ed25519" },
        { "P-224", "secp224r1" },   { "ED448", "other: ED448" },
    };
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        EVP_PKEY *one = software_key(keys[i].make);
        X509 *leaf = authority_issue(&root, one, NULL);
        struct peer *peer = read_good(leaf);
        assert_string_equal(peer->traits.key_type, keys[i].want);
        peer_free(peer);
        X509_free(leaf);
        EVP_PKEY_free(one);
    }
}

/* A rule for P-256 would not know it again, and it may hold other parameters than P-256. */
static void a_curve_without_a_name_is_refused(void **state)
{
    (void)state;
    EVP_PKEY *one = software_key("P-256");
    assert_int_equal(EVP_PKEY_set_utf8_string_param(one, OSSL_PKEY_PARAM_EC_ENCODING, "explicit"),
                     1);
    X509 *leaf = authority_issue(&root, one, NULL);
    refuse(leaf, "does not name its curve");
    X509_free(leaf);
    EVP_PKEY_free(one);
}

static X509 *with_serial(const unsigned char *bytes, int len, bool negative)
{
    X509 *leaf = authority_issue(&root, key, NULL);
    BIGNUM *number = BN_bin2bn(bytes, len, NULL);
    assert_non_null(number);
    BN_set_negative(number, negative);
    assert_non_null(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(leaf)));
    assert_true(X509_sign(leaf, root.key, EVP_sha256()) > 0);
    BN_free(number);
    return leaf;
}

static void serials_are_spelled_one_way(void **state)
{
    (void)state;
    static const unsigned char long_one[21] = { 0xf0, 1,  2,  3,  4,  5,  6,  7,  8,  9, 10,
                                                11,   12, 13, 14, 15, 16, 17, 18, 19, 20 };
    static const struct {
        unsigned char bytes[3];
        int len;
        bool negative;
        const char *want;
    } serials[] = {
        { { 0x0a }, 1, false, "a" },
        { { 0x1f, 0x0a }, 2, false, "1f0a" },
        { { 0x80, 0, 1 }, 3, false, "800001" },
        { { 0 }, 1, false, "0" },
        { { 0x1f }, 1, true, "-1f" },
    };
    for (size_t i = 0; i < ARRAY_LEN(serials); i++) {
        X509 *leaf = with_serial(serials[i].bytes, serials[i].len, serials[i].negative);
        struct peer *peer = read_good(leaf);
        assert_string_equal(peer->traits.serial, serials[i].want);
        peer_free(peer);
        X509_free(leaf);
    }
    X509 *longest = with_serial(long_one, 20, false);
    struct peer *peer = read_good(longest);
    assert_string_equal(peer->traits.serial, "f00102030405060708090a0b0c0d0e0f10111213");
    peer_free(peer);
    X509_free(longest);
    X509 *longer = with_serial(long_one, 21, false);
    refuse(longer, "21 bytes, at most 20");
    X509_free(longer);
}

static void the_lifetime_is_counted_in_seconds(void **state)
{
    (void)state;
    X509 *leaf = authority_issue(
        &root, key,
        &(struct certificate_spec){ .starts_in_seconds = -86400, .ends_in_seconds = 86400 + 60 });
    struct peer *peer = read_good(leaf);
    assert_in_range(peer->traits.lifetime_seconds, 2 * 86400 + 59, 2 * 86400 + 61);
    peer_free(peer);

    assert_int_equal(ASN1_TIME_set_string(X509_getm_notBefore(leaf), "20200101000000Z"), 1);
    assert_int_equal(ASN1_TIME_set_string(X509_getm_notAfter(leaf), "99991231235959Z"), 1);
    assert_true(X509_sign(leaf, root.key, EVP_sha256()) > 0);
    peer = read_good(leaf);
    assert_true(peer->traits.lifetime_seconds == 251824463999); /* beyond 32 bits */
    peer_free(peer);
    X509_free(leaf);
}

static void usages_are_dotted(void **state)
{
    (void)state;
    X509 *leaf =
        authority_issue(&root, key, &(struct certificate_spec){ .eku = "clientAuth,1.2.3.4" });
    struct peer *peer = read_good(leaf);
    assert_int_equal(peer->traits.usages_len, 2);
    assert_string_equal(peer->traits.usages[0], "1.3.6.1.5.5.7.3.2");
    assert_string_equal(peer->traits.usages[1], "1.2.3.4");
    peer_free(peer);
    X509_free(leaf);

    leaf = authority_issue(&root, key, &(struct certificate_spec){ .eku = "" });
    peer = read_good(leaf);
    assert_int_equal(peer->traits.usages_len, 0);
    peer_free(peer);
    X509_free(leaf);
}

static void thirty_two_usages_are_read_thirty_three_are_not(void **state)
{
    (void)state;
    char eku[512] = "1.2.3.0";
    for (int i = 1; i <= TRAITS_USAGES_MAX; i++) {
        X509 *leaf = authority_issue(&root, key, &(struct certificate_spec){ .eku = eku });
        if (i == TRAITS_USAGES_MAX) {
            struct peer *peer = read_good(leaf);
            assert_int_equal(peer->traits.usages_len, TRAITS_USAGES_MAX);
            peer_free(peer);
        }
        X509_free(leaf);
        size_t len = strlen(eku);
        snprintf(eku + len, sizeof(eku) - len, ",1.2.3.%d", i);
    }
    X509 *leaf = authority_issue(&root, key, &(struct certificate_spec){ .eku = eku });
    refuse(leaf, "33 extended key usages, at most 32");
    X509_free(leaf);
}

static void strange_usages_are_refused(void **state)
{
    (void)state;
    static const struct {
        struct certificate_spec spec;
        const char *want;
    } cases[] = {
        { { .eku = "", .extra = "extendedKeyUsage=DER:30ff00" }, "extendedKeyUsage is malformed" },
        { { .extra = "extendedKeyUsage=clientAuth" }, "extendedKeyUsage is there twice" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        X509 *leaf = authority_issue(&root, key, &cases[i].spec);
        refuse(leaf, cases[i].want);
        X509_free(leaf);
    }
    char eku[2 * TRAITS_OID_MAX_BYTES + 16] = "1.2"; /* 1 byte, and one for each arc */
    for (int i = 0; i < TRAITS_OID_MAX_BYTES; i++) {
        strcat(eku, ".1");
    }
    X509 *leaf = authority_issue(&root, key, &(struct certificate_spec){ .eku = eku });
    refuse(leaf, "has 65 bytes, at most 64");
    X509_free(leaf);
}

static void the_path_says_who_issued_it(void **state)
{
    (void)state;
    static char policy[] = "1.2.3";
    char *const policies[] = { policy };
    X509 *leaf = authority_issue(&root, key, NULL);
    struct peer *peer = read_good(leaf);
    STACK_OF(X509) *path = sk_X509_new_null();
    assert_true(sk_X509_push(path, leaf) > 0 && sk_X509_push(path, root.certificate) > 0);
    struct certified certified;
    certified_begin(peer, &certified);
    assert_ptr_equal(certified.peer, peer);
    assert_string_equal(certified.traits.serial, peer->traits.serial);
    assert_null(certified.traits.issuer_spki_sha256);
    assert_int_equal(certified.traits.policies_len, 0);

    assert_true(certified_add_path(&certified, path, policies, 1));
    unsigned char digest[NK_SHA256_BYTES];
    unsigned char *spki = NULL;
    int spki_len = i2d_PUBKEY(root.key, &spki);
    assert_int_equal(EVP_Digest(spki, (size_t)spki_len, digest, NULL, EVP_sha256(), NULL), 1);
    OPENSSL_free(spki);
    assert_memory_equal(certified.traits.issuer_spki_sha256, digest, sizeof(digest));
    assert_int_equal(certified.traits.policies_len, 1);
    assert_string_equal(certified.traits.policies[0], "1.2.3");
    assert_null(peer->traits.issuer_spki_sha256); /* the peer is what it showed */
    assert_int_equal(peer->traits.policies_len, 0);

    (void)sk_X509_pop(path); /* a leaf that is a root */
    certified_begin(peer, &certified);
    assert_true(certified_add_path(&certified, path, NULL, 0));
    assert_memory_equal(certified.traits.issuer_spki_sha256, peer->facts.spki_sha256,
                        sizeof(digest));
    assert_int_equal(certified.traits.policies_len, 0);
    certified_begin(peer, &certified); /* and nothing of before is left */
    assert_null(certified.traits.issuer_spki_sha256);

    assert_false(certified_add_path(&certified, NULL, policies, 1));
    assert_null(certified.traits.issuer_spki_sha256);
    assert_int_equal(certified.traits.policies_len, 0);
    sk_X509_free(path);
    peer_free(peer);
    X509_free(leaf);
}

static int set_up(void **state)
{
    (void)state;
    root = authority_make(NULL, "federation", NULL);
    key = software_key("P-256");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    authority_free(&root);
    EVP_PKEY_free(key);
    return 0;
}

int main(void)
{
    ROWS_OF(rows, check_row)
    ROWS_TEST(no_certificate);
    ROWS_TEST(garbage);
    ROWS_TEST(garbage_names_openssl);
    ROWS_TEST(a_private_key_is_no_certificate);
    ROWS_TEST(an_encrypted_block_asks_nobody);
    ROWS_TEST(the_leaf_in_the_chain_counts_once);
    ROWS_TEST(garbage_in_the_chain_is_refused);
    ROWS_TEST(ten_certificates_are_read_eleven_are_not);
    ROWS_TEST(too_many_bytes_are_refused);
    ROWS_TEST(sixty_four_names_are_read_sixty_five_are_not);
    ROWS_TEST(facts_are_complete);
    ROWS_TEST(an_unknown_role_is_refused);
    ROWS_TEST(key_types_are_named);
    ROWS_TEST(a_curve_without_a_name_is_refused);
    ROWS_TEST(serials_are_spelled_one_way);
    ROWS_TEST(the_lifetime_is_counted_in_seconds);
    ROWS_TEST(usages_are_dotted);
    ROWS_TEST(thirty_two_usages_are_read_thirty_three_are_not);
    ROWS_TEST(strange_usages_are_refused);
    ROWS_TEST(the_path_says_who_issued_it);
    return ROWS_RUN("peer_read", set_up, tear_down);
}
