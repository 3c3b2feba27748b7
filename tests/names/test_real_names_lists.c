/* SPDX-License-Identifier: Apache-2.0
 * Revocation lists that say whom they are for: which certificates RFC 5280 6.3.3 clears by them. */
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "base/auto.h"
#include "fixtures/rows.h"
#include "names/anchor_scene.h"

#define IN "+"
#define MISSING "-crl-missing"
#define POINT(names) "issuingDistributionPoint=critical,@point\n[point]\n" names
#define URI "http://ca.fed.example/1.0/crl"
#define OTHER_URI "http://ca.fed.example/part-2"
#define ISSUER "fullname=dirName:issuer\n[issuer]\nCN=federation\n"
#define OF_URI "fullname=URI:" URI "\n"
#define BOTH "fullname=dirName:issuer,URI:" URI "\n[issuer]\nCN=federation\n"
#define STRANGER "fullname=dirName:issuer\n[issuer]\nCN=another\n"
#define CURE "issue with crlDistributionPoints=URI:"

static const struct list_row {
    const char *name;
    const char *list;   /* extra lines of the list; NULL: it is for all */
    const char *points; /* of the leaf; NULL: none */
    bool unnumbered;
    bool loose;
    bool revoked;
    const char *want;
    const char *part;
    const char *openssl; /* with X509_V_FLAG_CRL_CHECK */
} rows[] = {
    { "for all", .want = IN, .openssl = IN },
    /* 6.3.3, "any available CRLs not specified in a distribution point but issued by the
     * certificate issuer": a point of the issuer's name is assumed. OpenSSL does not go there. */
    { "for the issuer's name", POINT(ISSUER), .want = IN, .openssl = "-" },
    { "for the issuer's name, loose", POINT(ISSUER), .loose = true, .want = IN, .openssl = "-" },
    { "for the issuer's name, and the leaf has another point", POINT(ISSUER),
      "crlDistributionPoints=URI:" OTHER_URI, .want = IN, .openssl = "-" },
    { "for the issuer's name, nodes alone", POINT(ISSUER "[point]\nonlyuser=TRUE\n"), .want = IN,
      .openssl = "-" },
    { "for the issuer's name, CAs alone", POINT(ISSUER "[point]\nonlyCA=TRUE\n"), .want = MISSING,
      .part = "for other certificates", .openssl = "-" },
    { "for the issuer's name, some reasons",
      POINT(ISSUER "[point]\nonlysomereasons=keyCompromise\n"), .want = MISSING,
      .part = "onlySomeReasons", .openssl = "-" },
    { "for the issuer's name, revoked", POINT(ISSUER), .revoked = true, .want = "-revoked",
      .openssl = "-" },
    { "for another's name", POINT(STRANGER), .want = MISSING,
      .part = "issue with its place in crlDistributionPoints", .openssl = "-" },
    /* Where one name of several is a place, the list may be a part of several: 5.2.5. */
    { "for the issuer's name and a place", POINT(BOTH), .want = MISSING, .part = CURE URI,
      .openssl = "-" },
    /* 6.3.3 b 2 i; step-ca's lists are such */
    { "for a place, and the leaf has none", POINT(OF_URI), .want = MISSING, .part = CURE URI,
      .openssl = "-" },
    { "for a place, and the leaf has none, loose", POINT(OF_URI), .loose = true, .want = MISSING,
      .part = CURE URI, .openssl = "-" },
    { "for a place, and the leaf has it", POINT(OF_URI), "crlDistributionPoints=URI:" URI,
      .want = IN, .openssl = IN },
    { "for a place, and the leaf has another", POINT(OF_URI),
      "crlDistributionPoints=URI:" OTHER_URI, .want = MISSING, .part = "for other certificates",
      .openssl = "-" },
    { "for a place that is long",
      POINT("fullname=URI:http://ca.fed.example/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"),
      .want = MISSING, .part = "issue with its place in crlDistributionPoints", .openssl = "-" },
    /* 5.2.3: CAs must number their lists. Easy-RSA, and openssl ca without crlnumber, do not. */
    { "no number", .unnumbered = true, .want = MISSING, .part = "have the CA number its lists",
      .openssl = IN },
    { "no number, revoked", .unnumbered = true, .revoked = true, .want = "-revoked",
      .openssl = "-" },
    { "no number, loose", .unnumbered = true, .loose = true, .want = IN, .openssl = IN },
};

static const char *openssl_with_list(const struct anchor_case *asked)
{
    static char text[ANCHOR_TEXT_BYTES];
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    assert_int_equal(X509_STORE_add_cert(store, asked->roots[0]), 1);
    assert_int_equal(X509_STORE_add_crl(store, asked->lists[0]), 1);
    assert_int_equal(X509_STORE_CTX_init(ctx, store, asked->leaf, NULL), 1);
    X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_EXTENDED_CRL_SUPPORT);
    bool holds = X509_verify_cert(ctx) == 1;
    snprintf(text, sizeof(text), holds ? "+" : "-%s",
             X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    ERR_clear_error();
    return text;
}

static void check_list(void **state)
{
    const struct list_row *row = *state;
    struct authority root = authority_make(NULL, "federation", NULL);
    EVP_PKEY *key = software_key("P-256");
    X509 *leaf = authority_issue(&root, key, &(struct certificate_spec){ .extra = row->points });
    X509_CRL *list = crl_make(&(struct crl_spec){ .issuer = &root,
                                                  .number = row->unnumbered ? -1 : 1,
                                                  .revoked = { row->revoked ? leaf : NULL },
                                                  .extra = row->list });
    const struct anchor_case asked = {
        .roots = { root.certificate }, .leaf = leaf, .lists = { list }, .strict = !row->loose
    };
    const char *ours = anchor_verdict(&asked);
    const char *openssl = openssl_with_list(&asked);
    print_message("nodekey %s | OpenSSL %s\n", ours, openssl);
    anchor_expect(ours, row->want, row->part);
    anchor_expect(openssl, row->openssl, NULL);
    X509_CRL_free(list);
    X509_free(leaf);
    EVP_PKEY_free(key);
    authority_free(&root);
}

int main(void)
{
    ROWS_OF(rows, check_list)
    return ROWS_RUN("real_names_lists", NULL, NULL);
}
