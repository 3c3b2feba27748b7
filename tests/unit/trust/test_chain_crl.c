/* SPDX-License-Identifier: Apache-2.0
 * Revocation lists over a path of three: node, site, federation. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/text.h"
#include "chain/chain.h"
#include "fixtures/authority.h"
#include "fixtures/revocation.h"
#include "fixtures/rows.h"
#include "unit/trust/known_issuers.h"

#define DAY 86400L
#define HOUR 3600L
#define LISTS_MAX 4

enum issuer {
    FEDERATION, /* the root */
    SITE,       /* below it */
    SITE_MIMIC, /* of SITE's name, another key */
    NO_SIGNER,  /* below FEDERATION; may not sign lists */
    ISSUERS,
};

enum { NOBODY = 0, NODE = 1, THE_SITE = 2, OTHER = 3, THE_ROOT = 4 };

static struct authority issuers[ISSUERS];
static EVP_PKEY *leaf_key;
static X509 *other;

struct list {
    enum issuer issuer;
    int revokes;
    long starts; /* as in crl_spec */
    long ends;
    bool forged; /* signed by another key than the issuer's */
    bool bare;
    bool endless;
    bool sha1;
    bool critical_entries;
    const char *extra;
};

#define OF_ROOT                                                                                    \
    {                                                                                              \
        .issuer = FEDERATION                                                                       \
    }
#define OF_SITE                                                                                    \
    {                                                                                              \
        .issuer = SITE                                                                             \
    }

static const struct row {
    const char *name;
    struct crl_settings crl;
    struct list lists[LISTS_MAX];
    size_t len;
    const char *reason; /* NULL: holds */
    const char *says;   /* part of the detail, or of the note */
    int depth;
    const char *leaf;        /* extra lines */
    enum issuer leaf_issuer; /* 0: SITE */
    const char *refused;     /* part of the error with which the second list is refused when it is
                              * read; the verdict is the one without it */
    long read_later;         /* seconds from now */
} rows[] = {
    { "hard: all current", { CRL_HARD, 0, 0 }, { OF_ROOT, OF_SITE }, 2, .reason = NULL },
    { "hard: the list names another",
      { CRL_HARD, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .revokes = OTHER } },
      2,
      .reason = NULL },
    { "off: a revoked node",
      { CRL_OFF, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .revokes = NODE } },
      2,
      .reason = NULL },
    /* revoked */
    { "hard: the node is revoked",
      { CRL_HARD, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .revokes = NODE } },
      2,
      .reason = "revoked",
      .says = "CN=node" },
    { "soft: the node is revoked",
      { CRL_SOFT, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .revokes = NODE } },
      2,
      .reason = "revoked",
      .says = "CN=node" },
    { "hard: the site is revoked",
      { CRL_HARD, 0, 0 },
      { { .issuer = FEDERATION, .revokes = THE_SITE }, OF_SITE },
      2,
      .reason = "revoked",
      .says = "CN=site",
      .depth = 1 },
    { "soft: the site is revoked",
      { CRL_SOFT, 0, 0 },
      { { .issuer = FEDERATION, .revokes = THE_SITE } },
      1,
      .reason = "revoked",
      .says = "CN=site",
      .depth = 1 },
    { "hard: the root is revoked",
      { CRL_HARD, 0, 0 },
      { { .issuer = FEDERATION, .revokes = THE_ROOT }, OF_SITE },
      2,
      .reason = "revoked",
      .says = "CN=federation",
      .depth = 2 },
    { "hard: revoked by an expired list",
      { CRL_HARD, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .revokes = NODE, .starts = -2 * DAY, .ends = -DAY } },
      2,
      .reason = "revoked" },
    { "soft: revoked by an expired list",
      { CRL_SOFT, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .revokes = NODE, .starts = -2 * DAY, .ends = -DAY } },
      2,
      .reason = "revoked" },
    { "soft: revoked by a list with an unknown critical extension",
      { CRL_SOFT, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .revokes = NODE, .extra = "1.2.3.4=critical,DER:0500" } },
      2,
      .reason = NULL,
      .says = "there is no CRL of its issuer",
      .refused = "critical extension 1.2.3.4" },
    { "hard: revoked by one of two lists",
      { CRL_HARD, 0, 0 },
      { OF_ROOT, OF_SITE, { .issuer = SITE, .revokes = NODE, .starts = -2 * HOUR } },
      3,
      .reason = "revoked" },
    { "hard: revoked by a list for CAs",
      { CRL_HARD, 0, 0 },
      { OF_ROOT,
        OF_SITE,
        { .issuer = SITE,
          .revokes = NODE,
          .extra = "issuingDistributionPoint=critical,onlyCA:TRUE" } },
      3,
      .reason = "revoked" },
    /* absent */
    { "hard: no list",
      { CRL_HARD, 0, 0 },
      { { 0 } },
      0,
      .reason = "crl-missing",
      .says = "CN=site",
      .depth = 1 },
    { "hard: the site's list is missing",
      { CRL_HARD, 0, 0 },
      { OF_ROOT },
      1,
      .reason = "crl-missing",
      .says = "CN=node" },
    { "hard: the root's list is missing",
      { CRL_HARD, 0, 0 },
      { OF_SITE },
      1,
      .reason = "crl-missing",
      .says = "CN=site",
      .depth = 1 },
    { "soft: no list",
      { CRL_SOFT, 0, 0 },
      { { 0 } },
      0,
      .reason = NULL,
      .says = "there is no CRL of its issuer" },
    { "soft: the site's list is missing",
      { CRL_SOFT, 0, 0 },
      { OF_ROOT },
      1,
      .reason = NULL,
      .says = "CN=node" },
    /* stale */
    { "hard: expired",
      { CRL_HARD, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .starts = -2 * DAY, .ends = -HOUR } },
      2,
      .reason = "crl-stale",
      .says = "too old" },
    { "soft: expired",
      { CRL_SOFT, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .starts = -2 * DAY, .ends = -HOUR } },
      2,
      .reason = NULL,
      .says = "too old" },
    { "hard: expired, within grace",
      { CRL_HARD, 2, 0 },
      { OF_ROOT, { .issuer = SITE, .starts = -2 * DAY, .ends = -HOUR } },
      2,
      .reason = NULL },
    { "hard: expired, past grace",
      { CRL_HARD, 2, 0 },
      { OF_ROOT, { .issuer = SITE, .starts = -2 * DAY, .ends = -3 * HOUR } },
      2,
      .reason = "crl-stale",
      .says = "it ended" },
    { "hard: of too great an age",
      { CRL_HARD, 0, 24 },
      { OF_ROOT, { .issuer = SITE, .starts = -2 * DAY } },
      2,
      .reason = "crl-stale",
      .says = "crl_max_age_hours" },
    { "soft: of too great an age",
      { CRL_SOFT, 0, 24 },
      { OF_ROOT, { .issuer = SITE, .starts = -2 * DAY } },
      2,
      .reason = NULL,
      .says = "crl_max_age_hours" },
    { "hard: not yet of that age",
      { CRL_HARD, 0, 49 },
      { OF_ROOT, { .issuer = SITE, .starts = -2 * DAY } },
      2,
      .reason = NULL },
    { "hard: grace does not lengthen the age",
      { CRL_HARD, 100, 24 },
      { OF_ROOT, { .issuer = SITE, .starts = -2 * DAY, .ends = -HOUR } },
      2,
      .reason = "crl-stale" },
    { "hard: an old list beside a current one",
      { CRL_HARD, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .starts = -2 * DAY, .ends = -DAY }, OF_SITE },
      3,
      .reason = NULL },
    /* not the issuer's, or not readable */
    { "hard: signed by another key",
      { CRL_HARD, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .forged = true } },
      2,
      .reason = "crl-invalid",
      .says = "not signed by its issuer" },
    { "soft: signed by another key",
      { CRL_SOFT, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .forged = true } },
      2,
      .reason = NULL,
      .says = "not signed by its issuer" },
    { "soft: a forged list revokes nobody",
      { CRL_SOFT, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .revokes = NODE, .forged = true } },
      2,
      .reason = NULL,
      .says = "not signed by its issuer" },
    { "hard: of another CA of that name",
      { CRL_HARD, 0, 0 },
      { OF_ROOT, { .issuer = SITE_MIMIC } },
      2,
      .reason = "crl-invalid" },
    { "hard: of another CA of that name, newer",
      { CRL_HARD, 0, 0 },
      { OF_ROOT, OF_SITE, { .issuer = SITE_MIMIC, .bare = true, .starts = -60 } },
      3,
      .reason = NULL },
    { "soft: a newer one of that name hides no revocation",
      { CRL_SOFT, 0, 0 },
      { OF_ROOT,
        { .issuer = SITE, .bare = true, .revokes = NODE },
        { .issuer = SITE_MIMIC, .bare = true, .starts = -60 } },
      3,
      .reason = "revoked" },
    { "hard: signed with SHA-1",
      { CRL_HARD, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .sha1 = true } },
      2,
      .reason = "crl-missing",
      .says = "CN=node",
      .refused = "sign with SHA-256" },
    { "hard: without an end",
      { CRL_HARD, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .endless = true } },
      2,
      .reason = "crl-missing",
      .says = "CN=node",
      .refused = "no nextUpdate" },
    { "hard: from the future",
      { CRL_HARD, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .starts = HOUR } },
      2,
      .reason = "crl-missing",
      .says = "CN=node",
      .refused = "check this clock" },
    { "hard: not yet valid",
      { CRL_HARD, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .starts = HOUR } },
      2,
      .reason = "crl-invalid",
      .says = "clock",
      .read_later = 2 * HOUR },
    { "hard: an unknown critical extension",
      { CRL_HARD, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .extra = "1.2.3.4=critical,DER:0500" } },
      2,
      .reason = "crl-missing",
      .says = "CN=node",
      .refused = "critical extension 1.2.3.4" },
    { "hard: an unknown extension",
      { CRL_HARD, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .extra = "1.2.3.4=DER:0500" } },
      2,
      .reason = NULL },
    { "hard: indirect",
      { CRL_HARD, 0, 0 },
      { OF_ROOT,
        { .issuer = SITE, .extra = "issuingDistributionPoint=critical,indirectCRL:TRUE" } },
      2,
      .reason = "crl-missing",
      .says = "CN=node",
      .refused = "is indirect" },
    { "soft: revoked by an indirect list",
      { CRL_SOFT, 0, 0 },
      { OF_ROOT,
        { .issuer = SITE,
          .revokes = NODE,
          .extra = "issuingDistributionPoint=critical,indirectCRL:TRUE" } },
      2,
      .reason = NULL,
      .says = "there is no CRL of its issuer",
      .refused = "is indirect" },
    { "hard: a delta",
      { CRL_HARD, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .extra = "2.5.29.27=critical,DER:020101" } },
      2,
      .reason = "crl-missing",
      .says = "CN=node",
      .refused = "is a delta CRL" },
    { "hard: its issuer may not sign lists",
      { CRL_HARD, 0, 0 },
      { OF_ROOT, { .issuer = NO_SIGNER } },
      2,
      .reason = "crl-invalid",
      .leaf_issuer = NO_SIGNER },
    /* parts */
    { "hard: for users",
      { CRL_HARD, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .extra = "issuingDistributionPoint=critical,onlyuser:TRUE" } },
      2,
      .reason = NULL },
    { "hard: for CAs only",
      { CRL_HARD, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .extra = "issuingDistributionPoint=critical,onlyCA:TRUE" } },
      2,
      .reason = "crl-missing",
      .says = "other certificates" },
    { "hard: for some reasons only",
      { CRL_HARD, 0, 0 },
      { OF_ROOT,
        { .issuer = SITE,
          .extra = "issuingDistributionPoint=critical,onlysomereasons:keyCompromise" } },
      2,
      .reason = "crl-missing",
      .says = "for some reasons alone" },
    { "hard: revoked for some reasons only",
      { CRL_HARD, 0, 0 },
      { OF_ROOT,
        { .issuer = SITE,
          .revokes = NODE,
          .extra = "issuingDistributionPoint=critical,onlysomereasons:keyCompromise" } },
      2,
      .reason = "revoked",
      .says = "CN=node" },
    { "soft: for some reasons only",
      { CRL_SOFT, 0, 0 },
      { OF_ROOT,
        { .issuer = SITE,
          .extra = "issuingDistributionPoint=critical,onlysomereasons:keyCompromise" } },
      2,
      .reason = NULL,
      .says = "for some reasons alone" },
    { "soft: revoked for some reasons only",
      { CRL_SOFT, 0, 0 },
      { OF_ROOT,
        { .issuer = SITE,
          .revokes = NODE,
          .extra = "issuingDistributionPoint=critical,onlysomereasons:keyCompromise" } },
      2,
      .reason = "revoked",
      .says = "CN=node" },
    { "hard: for attribute certificates only",
      { CRL_HARD, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .extra = "issuingDistributionPoint=critical,onlyAA:TRUE" } },
      2,
      .reason = "crl-missing",
      .says = "for attribute certificates alone" },
    { "hard: revoked by a list for attribute certificates",
      { CRL_HARD, 0, 0 },
      { OF_ROOT,
        { .issuer = SITE,
          .revokes = NODE,
          .extra = "issuingDistributionPoint=critical,onlyAA:TRUE" } },
      2,
      .reason = "revoked",
      .says = "CN=node" },
    { "soft: for attribute certificates only",
      { CRL_SOFT, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .extra = "issuingDistributionPoint=critical,onlyAA:TRUE" } },
      2,
      .reason = NULL,
      .says = "for attribute certificates alone" },
    { "soft: revoked by a list for attribute certificates",
      { CRL_SOFT, 0, 0 },
      { OF_ROOT,
        { .issuer = SITE,
          .revokes = NODE,
          .extra = "issuingDistributionPoint=critical,onlyAA:TRUE" } },
      2,
      .reason = "revoked",
      .says = "CN=node" },
    { "hard: for nodes alone and for CAs alone",
      { CRL_HARD, 0, 0 },
      { OF_ROOT,
        { .issuer = SITE,
          .extra = "issuingDistributionPoint=critical,onlyuser:TRUE,onlyCA:TRUE" } },
      2,
      .reason = "crl-missing",
      .says = "for no certificate" },
    { "hard: revoked by a list for no certificate",
      { CRL_HARD, 0, 0 },
      { OF_ROOT,
        { .issuer = SITE,
          .revokes = NODE,
          .extra = "issuingDistributionPoint=critical,onlyuser:TRUE,onlyCA:TRUE" } },
      2,
      .reason = "revoked",
      .says = "CN=node" },
    { "soft: for nodes alone and for CAs alone",
      { CRL_SOFT, 0, 0 },
      { OF_ROOT,
        { .issuer = SITE,
          .extra = "issuingDistributionPoint=critical,onlyuser:TRUE,onlyCA:TRUE" } },
      2,
      .reason = NULL,
      .says = "for no certificate" },
    { "soft: revoked by a list for no certificate",
      { CRL_SOFT, 0, 0 },
      { OF_ROOT,
        { .issuer = SITE,
          .revokes = NODE,
          .extra = "issuingDistributionPoint=critical,onlyuser:TRUE,onlyCA:TRUE" } },
      2,
      .reason = "revoked",
      .says = "CN=node" },
    { "hard: an unknown critical extension in an entry",
      { CRL_HARD, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .revokes = OTHER, .critical_entries = true } },
      2,
      .reason = "crl-invalid",
      .says = "does not know" },
    { "hard: revoked by an entry with an unknown critical extension",
      { CRL_HARD, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .revokes = NODE, .critical_entries = true } },
      2,
      .reason = "revoked",
      .says = "CN=node" },
    { "soft: an unknown critical extension in an entry",
      { CRL_SOFT, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .revokes = OTHER, .critical_entries = true } },
      2,
      .reason = NULL,
      .says = "does not know" },
    { "soft: revoked by an entry with an unknown critical extension",
      { CRL_SOFT, 0, 0 },
      { OF_ROOT, { .issuer = SITE, .revokes = NODE, .critical_entries = true } },
      2,
      .reason = "revoked",
      .says = "CN=node" },
    { "hard: for attribute certificates, beside a complete one",
      { CRL_HARD, 0, 0 },
      { OF_ROOT,
        OF_SITE,
        { .issuer = SITE, .extra = "issuingDistributionPoint=critical,onlyAA:TRUE" } },
      3,
      .reason = NULL },
    { "hard: revoked by one for attribute certificates, beside a complete one",
      { CRL_HARD, 0, 0 },
      { OF_ROOT,
        OF_SITE,
        { .issuer = SITE,
          .revokes = NODE,
          .extra = "issuingDistributionPoint=critical,onlyAA:TRUE" } },
      3,
      .reason = "revoked" },
    { "hard: of the node's distribution point",
      { CRL_HARD, 0, 0 },
      { OF_ROOT,
        { .issuer = SITE,
          .extra = "issuingDistributionPoint=critical,@idp\n[idp]\nfullname=URI:http://c/1" } },
      2,
      .reason = NULL,
      .leaf = "crlDistributionPoints=URI:http://c/1" },
    { "hard: of another distribution point",
      { CRL_HARD, 0, 0 },
      { OF_ROOT,
        { .issuer = SITE,
          .extra = "issuingDistributionPoint=critical,@idp\n[idp]\nfullname=URI:http://c/2" } },
      2,
      .reason = "crl-missing",
      .says = "other certificates",
      .leaf = "crlDistributionPoints=URI:http://c/1" },
    { "hard: of a distribution point for some reasons only",
      { CRL_HARD, 0, 0 },
      { OF_ROOT,
        { .issuer = SITE,
          .extra = "issuingDistributionPoint=critical,@idp\n[idp]\nfullname=URI:http://c/1" } },
      2,
      .reason = "crl-missing",
      .says = "other certificates",
      .leaf = "crlDistributionPoints=dp\n[dp]\nfullname=URI:http://c/1\nreasons=keyCompromise" },
    { "hard: of a distribution point, the node names none",
      { CRL_HARD, 0, 0 },
      { OF_ROOT,
        { .issuer = SITE,
          .extra = "issuingDistributionPoint=critical,@idp\n[idp]\nfullname=URI:http://c/2" } },
      2,
      .reason = "crl-missing",
      .says = "other certificates" },
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

static X509_CRL *make_list(const struct list *list, X509 *leaf)
{
    X509 *revoked[] = { [NOBODY] = NULL,
                        [NODE] = leaf,
                        [THE_SITE] = issuers[SITE].certificate,
                        [OTHER] = other,
                        [THE_ROOT] = issuers[FEDERATION].certificate };
    const struct crl_spec spec = {
        .issuer = &issuers[list->issuer],
        .signer = list->forged ? leaf_key : NULL,
        .number = 1,
        .this_update_seconds = list->starts,
        .next_update_seconds = list->ends,
        .endless = list->endless,
        .bare = list->bare,
        .revoked = { revoked[list->revokes] },
        .critical_entries = list->critical_entries,
        .digest = list->sha1 ? EVP_sha1() : NULL,
        .extra = list->extra,
    };
    return crl_make(&spec);
}

/* Reading on another day; the lists say when they are made. */
static long read_later;
time_t __real_time(time_t *ret_now);
time_t __wrap_time(time_t *ret_now);
time_t __wrap_time(time_t *ret_now)
{
    time_t now = __real_time(NULL) + read_later;
    if (ret_now != NULL) {
        *ret_now = now;
    }
    return now;
}

static void write_list(const char *folder, int i, X509_CRL *list)
{
    BIO *file = BIO_new_file(path_of("%s/%d", folder, i), "wb");
    assert_int_equal(i2d_X509_CRL_bio(file, list), 1);
    BIO_free(file);
}

/* As a node reads them, whose issuers nobody knows yet. `old` as crls_read. */
static nk_status read_folder(const char *folder, const struct crls *old, struct crls **ret_crls,
                             nk_error *err)
{
    char *paths[] = { (char *)folder };
    struct crl_ledger *ledger = NULL;
    assert_int_equal(crl_ledger_open(NULL, &ledger, NULL), NK_OK);
    nk_status status = crls_read(paths, 1, NULL, ledger, old, NULL, ret_crls, err);
    crl_ledger_free(ledger);
    assert_int_equal(ERR_peek_error(), 0);
    return status;
}

static const char *new_folder(void)
{
    static int folders;
    const char *folder = path_of("%s/%d", scratch_folder(), folders++);
    assert_int_equal(mkdir(folder, 0755), 0);
    return folder;
}

/* Owned: crls_unref; NULL: no list. */
static struct crls *read_lists(STACK_OF(X509_CRL) *lists)
{
    const char *folder = new_folder();
    struct crls *crls = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    for (int i = 0; i < sk_X509_CRL_num(lists); i++) {
        write_list(folder, i, sk_X509_CRL_value(lists, i));
    }
    if (sk_X509_CRL_num(lists) > 0 && read_folder(folder, NULL, &crls, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
    return crls;
}

static struct chain *chain_of(struct crls *crls, const struct crl_settings *crl)
{
    STACK_OF(X509) *roots = sk_X509_new_null();
    struct chain *chain = NULL;
    assert_true(sk_X509_push(roots, issuers[FEDERATION].certificate) > 0);
    const struct chain_settings settings = { .strict = true, .crl = *crl };
    assert_int_equal(chain_new(roots, crls, &settings, &chain, NULL), NK_OK);
    sk_X509_free(roots);
    return chain;
}

static struct chain *chain_with(STACK_OF(X509_CRL) *lists, const struct crl_settings *crl)
{
    struct crls *crls = read_lists(lists);
    struct chain *chain = chain_of(crls, crl);
    crls_unref(crls); /* the chain has a reference of its own */
    return chain;
}

static bool judge(struct chain *chain, enum issuer issuer, X509 *leaf, struct chain_path *path,
                  struct chain_failure *failure)
{
    STACK_OF(X509) *others = sk_X509_new_null();
    assert_true(sk_X509_push(others, issuers[issuer].certificate) > 0);
    bool holds = chain_holds(chain, NULL, NK_PEER_IS_CLIENT, leaf, others, path, failure);
    assert_int_equal(ERR_peek_error(), 0);
    STACK_OF(X509) *roots = sk_X509_new_null();
    assert_true(sk_X509_push(roots, issuers[FEDERATION].certificate) > 0);
    assert_same_when_known(chain, NK_PEER_IS_CLIENT, leaf, others, roots);
    sk_X509_free(roots);
    sk_X509_free(others);
    return holds;
}

/* With the bad list the node does not open; beside lists in force it changes nothing, so whom they
 * revoke stays out. */
static void check_refused(const struct row *row, STACK_OF(X509_CRL) *lists, enum issuer issuer,
                          X509 *leaf)
{
    const char *folder = new_folder();
    const struct list good[] = { OF_ROOT, { .issuer = SITE, .revokes = NODE } };
    struct crls *old = NULL;
    struct crls *kept = NULL;
    nk_error err = { .struct_size = sizeof(err) };
    X509_CRL *bad = sk_X509_CRL_value(lists, 1);

    write_list(folder, 1, bad);
    assert_int_equal(read_folder(folder, NULL, &kept, &err), NK_E_TRUST);
    print_message("%s\n", err.text);
    assert_null(kept);
    assert_non_null(strstr(err.text, path_of("%s/1", folder)));
    assert_non_null(strstr(err.text, row->refused));

    for (int i = 0; i < 2; i++) {
        X509_CRL *list = make_list(&good[i], leaf);
        write_list(folder, i, list);
        X509_CRL_free(list);
    }
    assert_int_equal(read_folder(folder, NULL, &old, NULL), NK_OK);
    write_list(folder, 1, bad);
    assert_int_equal(read_folder(folder, old, &kept, NULL), NK_E_TRUST);
    assert_true(crls_equal(old, kept));
    struct chain *chain = chain_of(kept, &row->crl);
    struct chain_path path = { .certificates = NULL };
    struct chain_failure failure = { REASON_INTERNAL, 0, "" };
    assert_false(judge(chain, issuer, leaf, &path, &failure));
    assert_int_equal(failure.reason, REASON_REVOKED);
    chain_free(chain);
    crls_unref(kept);
    crls_unref(old);
}

static void check_row(void **state)
{
    const struct row *row = *state;
    enum issuer issuer = row->leaf_issuer != FEDERATION ? row->leaf_issuer : SITE;
    X509 *leaf = reread(authority_issue(&issuers[issuer], leaf_key,
                                        &(struct certificate_spec){ .extra = row->leaf }));
    STACK_OF(X509_CRL) *lists = sk_X509_CRL_new_null();
    for (size_t i = 0; i < row->len; i++) {
        assert_true(sk_X509_CRL_push(lists, make_list(&row->lists[i], leaf)) > 0);
    }
    ERR_clear_error();
    if (row->refused != NULL) {
        check_refused(row, lists, issuer, leaf);
        X509_CRL_free(sk_X509_CRL_delete(lists, 1));
    }
    read_later = row->read_later;
    struct chain *chain = chain_with(lists, &row->crl);
    read_later = 0;
    sk_X509_CRL_pop_free(lists, X509_CRL_free); /* the chain has its own references */

    for (int again = 0; again <= 1; again++) { /* the second time from the list's proofs */
        struct chain_path path = { .certificates = NULL };
        struct chain_failure failure = { REASON_INTERNAL, 0, "" };
        bool holds = judge(chain, issuer, leaf, &path, &failure);
        print_message("%s: %s%s\n", holds ? "holds" : reason_label(failure.reason), failure.detail,
                      path.note);
        assert_string_equal(holds ? "" : reason_label(failure.reason),
                            row->reason != NULL ? row->reason : "");
        if (row->says != NULL) {
            assert_non_null(strstr(holds ? path.note : failure.detail, row->says));
        } else {
            assert_string_equal(path.note, "");
        }
        assert_int_equal(failure.depth, row->depth);
        chain_path_clear(&path);
    }
    chain_free(chain);
    X509_free(leaf);
}

/* --- the rest --- */

static void a_revocation_says_which_when_and_why(void **state)
{
    (void)state;
    X509 *leaf = reread(authority_issue(&issuers[SITE], leaf_key, NULL));
    STACK_OF(X509_CRL) *lists = sk_X509_CRL_new_null();
    const struct list of_site = { .issuer = SITE, .revokes = NODE };
    assert_true(sk_X509_CRL_push(lists, make_list(&of_site, leaf)) > 0);
    struct chain *chain = chain_with(lists, &(struct crl_settings){ .mode = CRL_SOFT });
    struct chain_path path = { .certificates = NULL };
    struct chain_failure failure = { REASON_INTERNAL, 0, "" };
    char serial[64] = "serial ";
    const ASN1_INTEGER *number = X509_get0_serialNumber(leaf);
    for (int i = 0; i < ASN1_STRING_length(number); i++) {
        snprintf(serial + strlen(serial), 3, "%02x", ASN1_STRING_get0_data(number)[i]);
    }
    assert_false(judge(chain, SITE, leaf, &path, &failure));
    print_message("%s\n", failure.detail);
    assert_non_null(strstr(failure.detail, serial));
    assert_non_null(strstr(failure.detail, "revoked on 20"));
    assert_non_null(strstr(failure.detail, "Z ("));
    chain_free(chain);
    sk_X509_CRL_pop_free(lists, X509_CRL_free);
    X509_free(leaf);
}

static void until_is_the_end_of_the_lists(void **state)
{
    (void)state;
    static const struct crl_settings settings[] = { { CRL_HARD, 0, 0 },
                                                    { CRL_HARD, 1, 0 },
                                                    { CRL_HARD, 0, 3 } };
    const struct list of_root = OF_ROOT;
    const struct list of_site = { .issuer = SITE, .ends = 3 * HOUR };
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        X509 *leaf = reread(authority_issue(&issuers[SITE], leaf_key, NULL));
        STACK_OF(X509_CRL) *lists = sk_X509_CRL_new_null();
        assert_true(sk_X509_CRL_push(lists, make_list(&of_root, leaf)) > 0);
        assert_true(sk_X509_CRL_push(lists, make_list(&of_site, leaf)) > 0);
        struct chain *chain = chain_with(lists, &settings[i]);
        struct chain_path path = { .certificates = NULL };
        struct chain_failure failure;
        X509_CRL *list = sk_X509_CRL_value(lists, 1);
        time_t wanted =
            text_read_time(X509_CRL_get0_nextUpdate(list)) + (time_t)settings[i].grace_hours * HOUR;
        if (settings[i].max_age_hours != 0) { /* of both lists; they began in the same second or one
                                                 after the other */
            time_t begin = text_read_time(X509_CRL_get0_lastUpdate(sk_X509_CRL_value(lists, 0)));
            wanted = begin + (time_t)settings[i].max_age_hours * HOUR;
        }
        assert_true(judge(chain, SITE, leaf, &path, &failure));
        assert_int_equal(path.until, wanted);
        chain_path_clear(&path);
        chain_free(chain);
        sk_X509_CRL_pop_free(lists, X509_CRL_free);
        X509_free(leaf);
    }
}

/* A stranger's forgery is called one, and never looked up. */
static void a_forgery_is_not_called_revoked(void **state)
{
    (void)state;
    struct authority forger = { .key = leaf_key, .certificate = issuers[SITE].certificate };
    X509 *leaf = reread(authority_issue(&forger, leaf_key, NULL));
    STACK_OF(X509_CRL) *lists = sk_X509_CRL_new_null();
    const struct list of_site = { .issuer = SITE, .revokes = NODE };
    assert_true(sk_X509_CRL_push(lists, make_list(&of_site, leaf)) > 0);
    struct chain *chain = chain_with(lists, &(struct crl_settings){ .mode = CRL_HARD });
    struct chain_path path = { .certificates = NULL };
    struct chain_failure failure;
    STACK_OF(X509) *others = sk_X509_new_null();
    assert_true(sk_X509_push(others, issuers[SITE].certificate) > 0);
    assert_false(chain_holds(chain, NULL, NK_PEER_IS_CLIENT, leaf, others, &path, &failure));
    assert_int_equal(failure.reason, REASON_BAD_SIGNATURE);
    sk_X509_free(others);
    chain_free(chain);
    sk_X509_CRL_pop_free(lists, X509_CRL_free);
    X509_free(leaf);
    ERR_clear_error();
}

/* A generation has its lists in the order of their digests. */
static bool comes_last(X509_CRL *list, STACK_OF(X509_CRL) *lists)
{
    unsigned char own[EVP_MAX_MD_SIZE];
    unsigned char its[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    bool last = true;

    assert_int_equal(X509_CRL_digest(list, EVP_sha256(), own, &len), 1);
    for (int i = 0; last && i < sk_X509_CRL_num(lists); i++) {
        assert_int_equal(X509_CRL_digest(sk_X509_CRL_value(lists, i), EVP_sha256(), its, NULL), 1);
        last = memcmp(own, its, len) > 0;
    }
    return last;
}

/* Each list that a key of the path did not sign costs; soft must not mean that enough of them hide
 * the one that revokes. */
static void forgeries_are_bounded(void **state)
{
    (void)state;
    X509 *leaf = reread(authority_issue(&issuers[SITE], leaf_key, NULL));
    STACK_OF(X509_CRL) *lists = sk_X509_CRL_new_null();
    const struct list forged = { .issuer = SITE, .forged = true };
    const struct list of_site = { .issuer = SITE, .revokes = NODE };
    for (int i = 0; i < 40; i++) {
        assert_true(sk_X509_CRL_push(lists, make_list(&forged, leaf)) > 0);
    }
    X509_CRL *real = make_list(&of_site, leaf);
    while (!comes_last(real, lists)) { /* each signature is another */
        X509_CRL_free(real);
        real = make_list(&of_site, leaf);
    }
    assert_true(sk_X509_CRL_push(lists, real) > 0);
    struct chain *chain = chain_with(lists, &(struct crl_settings){ .mode = CRL_SOFT });
    struct chain_path path = { .certificates = NULL };
    struct chain_failure failure = { REASON_INTERNAL, 0, "" };
    assert_false(judge(chain, SITE, leaf, &path, &failure));
    assert_int_equal(failure.reason, REASON_CRL_INVALID);
    assert_false(judge(chain, SITE, leaf, &path, &failure)); /* now most are known not to count */
    assert_int_equal(failure.reason, REASON_REVOKED);
    chain_free(chain);
    sk_X509_CRL_pop_free(lists, X509_CRL_free);
    X509_free(leaf);
}

/* RFC 5280 6.3.3 f: the CA changed its key; the old one still vouches, the new one signs lists. */
static void a_new_key_signs_the_list_of_the_old(void **state)
{
    (void)state;
    const struct list of_root = OF_ROOT;
    /* The old key, certified by the new one under the same name: self-issued. */
    struct authority renewed = { .key = issuers[SITE].key,
                                 .certificate = issuers[SITE].certificate };
    EVP_PKEY *old_key = software_key("P-256");
    struct authority old = { .key = old_key };
    old.certificate =
        reread(authority_issue(&renewed, old_key,
                               &(struct certificate_spec){ .cn = "site",
                                                           .basic_constraints = "critical,CA:TRUE",
                                                           .key_usage = "critical,keyCertSign",
                                                           .eku = "" }));
    X509 *leaf = reread(authority_issue(&old, leaf_key, NULL));
    for (int revoked = 0; revoked <= 1; revoked++) {
        STACK_OF(X509_CRL) *lists = sk_X509_CRL_new_null();
        const struct list of_site = { .issuer = SITE, .revokes = revoked ? NODE : NOBODY };
        assert_true(sk_X509_CRL_push(lists, make_list(&of_root, leaf)) > 0);
        assert_true(sk_X509_CRL_push(lists, make_list(&of_site, leaf)) > 0);
        struct chain *chain = chain_with(lists, &(struct crl_settings){ .mode = CRL_HARD });
        STACK_OF(X509) *others = sk_X509_new_null();
        assert_true(sk_X509_push(others, old.certificate) > 0);
        assert_true(sk_X509_push(others, issuers[SITE].certificate) > 0);
        struct chain_path path = { .certificates = NULL };
        struct chain_failure failure = { REASON_INTERNAL, 0, "" };
        bool holds = chain_holds(chain, NULL, NK_PEER_IS_CLIENT, leaf, others, &path, &failure);
        print_message("%s\n", failure.detail);
        assert_true(holds == !revoked);
        assert_true(holds || failure.reason == REASON_REVOKED);
        chain_path_clear(&path);
        sk_X509_free(others);
        chain_free(chain);
        sk_X509_CRL_pop_free(lists, X509_CRL_free);
    }
    X509_free(leaf);
    authority_free(&old);
}

static int set_up(void **state)
{
    (void)state;
    leaf_key = software_key("P-256");
    issuers[FEDERATION] = authority_make(NULL, "federation", NULL);
    issuers[SITE] = authority_make(&issuers[FEDERATION], "site", NULL);
    issuers[SITE_MIMIC] = authority_make(&issuers[FEDERATION], "site", NULL);
    issuers[NO_SIGNER] =
        authority_make(&issuers[FEDERATION], "no signer",
                       &(struct certificate_spec){ .key_usage = "critical,keyCertSign" });
    other = authority_issue(&issuers[SITE], leaf_key, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < ISSUERS; i++) {
        authority_free(&issuers[i]);
    }
    X509_free(other);
    EVP_PKEY_free(leaf_key);
    return 0;
}

int main(void)
{
    ROWS_OF(rows, check_row)
    ROWS_TEST(a_revocation_says_which_when_and_why);
    ROWS_TEST(until_is_the_end_of_the_lists);
    ROWS_TEST(a_forgery_is_not_called_revoked);
    ROWS_TEST(forgeries_are_bounded);
    ROWS_TEST(a_new_key_signs_the_list_of_the_old);
    return ROWS_RUN("chain_holds with lists", set_up, tear_down);
}
