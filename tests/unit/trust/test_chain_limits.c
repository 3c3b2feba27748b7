/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "chain/chain_limits.h"
#include "fixtures/rows.h"
#include "unit/trust/chain_scene.h"

#define CRITICAL "critical,"
#define TEXT_BYTES 40000
#define BAD "chain-invalid"

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

static struct shown many_in_ca(const struct chain_row *row)
{
    struct chain_row with = *row;
    const char *critical = strstr(row->ca, CRITICAL);
    const char *cut = critical != NULL ? critical + strlen(CRITICAL) : strchr(row->ca, '=') + 1;
    char head[64];
    snprintf(head, sizeof(head), "%.*s", (int)(cut - row->ca), row->ca);
    with.ca = repeat(head, cut, atoi(row->key));
    return below_constrained(&with);
}

static struct shown many_in_leaf(const struct chain_row *row)
{
    struct chain_row with = *row;
    const char *cut = strchr(row->ca, '=') + 1;
    char head[64];
    snprintf(head, sizeof(head), "%.*s", (int)(cut - row->ca), row->ca);
    with.leaf.extra = repeat(head, cut, atoi(row->key));
    return plain(&with);
}

static struct shown many_extensions(const struct chain_row *row)
{
    struct chain_row with = *row;
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

static struct shown heavy(const struct chain_row *row)
{
    struct chain_row with = *row;
    with.leaf.extra = padding(atoi(row->key));
    return plain(&with);
}

/* Every certificate is small enough, all together are not. */
static struct shown heavy_together(const struct chain_row *row)
{
    struct shown shown = { .leaf = issued(&root, leaf_key, &row->leaf) };
    const struct certificate_spec spec = { .extra = padding(15000) };
    for (int i = 0; i < atoi(row->key); i++) {
        shown.others[i] = issued(&root, leaf_key, &spec);
    }
    return shown;
}

static struct shown many_attributes(const struct chain_row *row)
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

/* Names and subtrees are within their own limits; the product is not. */
static struct shown names_times_subtrees(const struct chain_row *row)
{
    struct chain_row with = *row;
    struct authority ca =
        authority_make(&root, "constrained",
                       &(struct certificate_spec){ .extra = repeat("nameConstraints=" CRITICAL,
                                                                   "permitted;DNS:d#.example",
                                                                   CHAIN_LIMITS_SUBTREES) });
    with.leaf.san = repeat("", "DNS:n.d#.example", atoi(row->key));
    struct shown shown = { .leaf = issued(&ca, leaf_key, &with.leaf),
                           .others = { reread(copy_of(ca.certificate)) } };
    authority_free(&ca);
    return shown;
}

/* `row->key` is their kind and, after a blank, their number. */
static struct shown below_many(const struct chain_row *row)
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

static const struct chain_row rows[] = {
    /* limits: as many as are taken, and one more */
    { "eleven certificates", eleven, .reason = BAD, .detail = "11 certificates" },
    { "64 names", many_in_leaf, .reason = NULL, .key = "64", .ca = "subjectAltName=DNS:n#" },
    { "65 names", many_in_leaf, .reason = BAD, .detail = "subjectAltName has 65", .key = "65",
      .ca = "subjectAltName=DNS:n#" },
    { "65 names in a CA", many_in_ca, .reason = BAD, .detail = "subjectAltName has 65", .key = "65",
      .ca = "subjectAltName=DNS:n#" },
    { "256 subtrees", many_in_ca, .reason = NULL, .key = "256",
      .ca = "nameConstraints=" CRITICAL "excluded;DNS:d#" },
    { "257 subtrees", many_in_ca, .reason = BAD, .detail = "nameConstraints has 257", .key = "257",
      .ca = "nameConstraints=" CRITICAL "excluded;DNS:d#" },
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
};

int main(void)
{
    ROWS_OF(rows, check_chain)
    return ROWS_RUN("chain_holds: limits", chain_scene_set_up, chain_scene_tear_down);
}
