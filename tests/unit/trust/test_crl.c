/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/crl.h"

#include <string.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/rsa.h>

#include "base/auto.h"
#include "fixtures/rows.h"
#include "unit/trust/crl_scene.h"

#define MANY_ENTRIES 100000

/* --- lists that no path is needed for to refuse --- */

#define SCOPE "issuingDistributionPoint=critical,"
#define UNREADABLE                                                                                 \
    "it again" /* OpenSSL 3 decodes it, and nodekey asks for it by name; 4 does not */
#define TWENTY_ONE "01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15"

static const struct refusal {
    const char *name;
    struct crl_spec spec;
    const struct authority *signer; /* another's key */
    const EVP_MD *(*digest)(void);  /* NULL: SHA-256 */
    const char *text;
} refusals[] = {
    { "no nextUpdate", { .issuer = &root, .endless = true }, NULL, NULL, "no nextUpdate" },
    { "from the future",
      { .issuer = &root, .this_update_seconds = HOUR },
      NULL,
      NULL,
      "check this clock" },
    { "nextUpdate before thisUpdate",
      { .issuer = &root, .next_update_seconds = -2 * HOUR },
      NULL,
      NULL,
      "no time after thisUpdate" },
    { "a delta CRL",
      { .issuer = &root, .number = 2, .extra = "2.5.29.27=critical,DER:02:01:01" },
      NULL,
      NULL,
      "give the complete CRL" },
    { "an unknown critical extension",
      { .issuer = &root, .extra = "1.2.3.4=critical,DER:05:00" },
      NULL,
      NULL,
      "critical extension 1.2.3.4" },
    { "a critical crlNumber, which OpenSSL refuses at every path",
      { .issuer = &root, .number = -1, .extra = "2.5.29.20=critical,DER:02:01:05" },
      NULL,
      NULL,
      "critical extension 2.5.29.20" },
    { "two numbers",
      { .issuer = &root, .number = 5, .extra = "2.5.29.20=DER:02:01:06" },
      NULL,
      NULL,
      UNREADABLE },
    { "a negative number",
      { .issuer = &root, .number = -1, .extra = "2.5.29.20=DER:02:01:FF" },
      NULL,
      NULL,
      "crlNumber" },
    { "a number of 21 bytes",
      { .issuer = &root, .number = -1, .extra = "2.5.29.20=DER:02:15:" TWENTY_ONE },
      NULL,
      NULL,
      "crlNumber" },
    { "a number that is none",
      { .issuer = &root, .number = -1, .extra = "2.5.29.20=DER:04:01:00" },
      NULL,
      NULL,
      UNREADABLE },
    { "a distribution point that cannot be read",
      { .issuer = &root, .extra = "2.5.29.28=critical,DER:04:00" },
      NULL,
      NULL,
      UNREADABLE },
    { "two authority key identifiers",
      { .issuer = &root, .extra = "2.5.29.35=DER:30:00" },
      NULL,
      NULL,
      "authorityKeyIdentifier" },
    { "an indirect CRL",
      { .issuer = &root, .number = 2, .extra = SCOPE "indirectCRL:TRUE" },
      NULL,
      NULL,
      "is indirect" },
    { "signed over SHA-1", { .issuer = &root }, NULL, EVP_sha1, "sign with SHA-256" },
    { "signed over SHA-224", { .issuer = &root }, NULL, EVP_sha224, "sign with SHA-256" },
    { "signed over SHA3-256", { .issuer = &root }, NULL, EVP_sha3_256, "sign with SHA-256" },
    { "signed by another's key", { .issuer = &root }, &stranger, NULL, "is not signed by" },
    { "an issuer without key identifiers, signed by another's key",
      { .issuer = &plain },
      &stranger,
      NULL,
      "is not signed by" },
    { "an issuer that may not sign lists", { .issuer = &mute }, NULL, NULL, "cRLSign" },
};

/* The bad candidate is reported and changes nothing: whom the good list revokes stays revoked. */
static void refuse_at_reload(struct scene *scene, const struct crl_spec *bad, const char *text)
{
    struct crls *kept = NULL;

    crl_write(scene->path, &(struct crl_spec){ .issuer = bad->issuer == &mute ? &root : bad->issuer,
                                               .number = 1,
                                               .revoked = { mute.certificate } });
    struct crls *good = scene_read_well(scene, NULL);
    crl_write(scene->path, bad);
    assert_int_equal(scene_read(scene, good, &kept), NK_E_TRUST);
    assert_tells(scene, scene->path);
    assert_tells(scene, text);
    assert_logged("what was read before stays in force");
    assert_true(crls_equal(good, kept));
    assert_holds(kept, "mute", mute.certificate);
    crls_unref(kept);
    crls_unref(good);
}

static void check_refusal(void **state)
{
    const struct refusal *row = *state;
    struct scene scene = scene_new();
    struct crl_spec spec = row->spec;

    spec.signer = row->signer != NULL ? row->signer->key : NULL;
    spec.digest = row->digest != NULL ? row->digest() : NULL;
    crl_write(scene.path, &spec);
    assert_refused(&scene, row->text);
    spec.pem = true;
    crl_write(scene.path, &spec);
    assert_refused(&scene, row->text);
    refuse_at_reload(&scene, &spec, row->text);
    scene_clear(&scene, NULL, NULL);
}

static void sign_again(const char *path, X509_CRL *list, EVP_MD_CTX *scheme, EVP_PKEY *key)
{
    assert_true((scheme != NULL ? X509_CRL_sign_ctx(list, scheme)
                                : X509_CRL_sign(list, key, EVP_sha256())) > 0);
    BIO *file = BIO_new_file(path, "wb");
    assert_int_equal(i2d_X509_CRL_bio(file, list), 1);
    BIO_free(file);
}

static void extensions_want_version_2(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    X509_CRL *list = crl_make(&(struct crl_spec){ .issuer = &root });

    assert_int_equal(X509_CRL_set_version(list, X509_CRL_VERSION_1), 1);
    sign_again(scene.path, list, NULL, root.key);
    assert_refused(&scene, "not of version 2");
    X509_CRL_free(list);
    scene_clear(&scene, NULL, NULL);
}

/* PSS names its digest in its parameters, and SHA-1 by leaving it out. */
static void signed_over_sha1_by_pss(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    EVP_PKEY *key = software_key("RSA-2048");
    const EVP_MD *const digests[] = { EVP_sha1(), EVP_sha256() };

    for (size_t i = 0; i < ARRAY_LEN(digests); i++) {
        X509_CRL *list = crl_make(&(struct crl_spec){ .issuer = &stranger });
        EVP_MD_CTX *scheme = EVP_MD_CTX_new();
        EVP_PKEY_CTX *padding = NULL;
        assert_int_equal(EVP_DigestSignInit(scheme, &padding, digests[i], NULL, key), 1);
        assert_true(EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING) > 0);
        sign_again(scene.path, list, scheme, NULL);
        EVP_MD_CTX_free(scheme);
        X509_CRL_free(list);
        if (digests[i] == EVP_sha1()) {
            assert_refused(&scene, "sign with SHA-256");
        }
    }
    struct crls *crls = scene_read_well(&scene, NULL);
    EVP_PKEY_free(key);
    scene_clear(&scene, crls, NULL);
}

/* --- lists that revoke, so they are in force, but clear nobody --- */

static const struct gap {
    const char *name;
    struct crl_spec spec;
    const char *text;
} gaps[] = {
    { "for some reasons",
      { .issuer = &root, .number = 2, .extra = SCOPE "onlysomereasons:keyCompromise" },
      "is for some reasons alone" },
    { "for attribute certificates",
      { .issuer = &root, .number = 2, .extra = SCOPE "onlyAA:TRUE" },
      "is for attribute certificates alone" },
    { "for nodes alone and for CAs alone",
      { .issuer = &root, .number = 2, .extra = SCOPE "onlyuser:TRUE,onlyCA:TRUE" },
      "is for no certificate" },
    { "an entry with an unknown critical extension",
      { .issuer = &root, .number = 2, .critical_entries = true },
      "has an entry with a critical extension that nodekey does not know" },
};

/* `old` as in scene_read. Returns what is in force: crls_unref. */
static struct crls *read_gap(struct scene *scene, const struct crls *old, const struct gap *row)
{
    log_text[0] = '\0';
    struct crls *crls = scene_read_well(scene, old);
    assert_holds(crls, row->name, mute.certificate);
    assert_logged(scene->path);
    assert_logged(row->text);
    assert_logged("it revokes, but clears nobody");
    return crls;
}

static void check_gap(void **state)
{
    const struct gap *row = *state;
    struct scene scene = scene_new();
    struct crl_spec spec = row->spec;

    spec.revoked[0] = mute.certificate;
    list_write(scene.path, &root, 1);
    struct crls *good = scene_read_well(&scene, NULL);
    for (int pem = 0; pem <= 1; pem++) {
        spec.pem = pem != 0;
        crl_write(scene.path, &spec);
        struct crls *opened = read_gap(&scene, NULL, row);
        struct crls *reloaded = read_gap(&scene, good, row);
        log_text[0] = '\0';
        struct crls *again = scene_read_well(&scene, reloaded); /* told once */
        assert_string_equal(log_text, "");
        assert_holds(again, row->name, mute.certificate);
        crls_unref(opened);
        crls_unref(reloaded);
        crls_unref(again);
    }
    scene_clear(&scene, good, NULL);
}

/* --- what is read --- */

static const struct form {
    const char *name;
    struct crl_spec spec;
} forms[] = {
    { "DER", { .issuer = &root } },
    { "PEM", { .issuer = &root, .pem = true } },
    { "below an intermediate", { .issuer = &second } },
    { "no number", { .issuer = &root, .number = -1 } },
    { "no key identifiers", { .issuer = &plain } },
    { "past its nextUpdate", { .issuer = &root, .next_update_seconds = -60 } },
    { "of an issuer nobody knows", { .issuer = &stranger } },
    { "of a stranger with a known name but another key identifier", { .issuer = &mimic } },
    { "a distribution point",
      { .issuer = &root,
        .extra = "issuingDistributionPoint=critical,@p\n[p]\nfullname=URI:http://a/b" } },
    { "a number of 20 bytes",
      { .issuer = &root,
        .number = -1,
        .extra = "2.5.29.20=DER:02:14:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:"
                 "14" } },
};

static void check_form(void **state)
{
    const struct form *row = *state;
    struct scene scene = scene_new();
    struct crl_spec spec = row->spec;

    spec.revoked[0] = stranger.certificate;
    crl_write(scene.path, &spec);
    struct crls *crls = scene_read_well(&scene, NULL);
    assert_int_equal(lists_len(crls), 1);
    assert_holds(crls, row->name, stranger.certificate);
    struct crls *again = scene_read_well(&scene, crls); /* the same again is no replay */
    assert_true(crls_equal(crls, again));
    scene_clear(&scene, crls, again);
}

static void many_entries(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    X509_CRL *list = crl_make(&(struct crl_spec){ .issuer = &root });
    ASN1_TIME *when = X509_gmtime_adj(NULL, -HOUR);
    ASN1_INTEGER *serial = ASN1_INTEGER_new();

    for (long i = 1; i <= MANY_ENTRIES; i++) {
        X509_REVOKED *entry = X509_REVOKED_new();
        assert_int_equal(ASN1_INTEGER_set(serial, i), 1);
        assert_int_equal(X509_REVOKED_set_serialNumber(entry, serial), 1);
        assert_int_equal(X509_REVOKED_set_revocationDate(entry, when), 1);
        assert_int_equal(X509_CRL_add0_revoked(list, entry), 1);
    }
    assert_true(X509_CRL_sign(list, root.key, EVP_sha256()) > 0);
    BIO *file = BIO_new_file(scene.path, "wb");
    assert_int_equal(i2d_X509_CRL_bio(file, list), 1);
    BIO_free(file);
    X509_CRL_free(list);
    ASN1_TIME_free(when);
    ASN1_INTEGER_free(serial);

    struct crls *crls = scene_read_well(&scene, NULL);
    assert_int_equal(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(list_at(crls, 0))), MANY_ENTRIES);
    scene_clear(&scene, crls, NULL);
}

/* --- warnings --- */

static void warnings_come_once(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    time_t now = time(NULL);

    list_write(scene.path, &root, 7); /* from an hour ago to in a day */
    struct crls *crls = scene_read_well(&scene, NULL);
    crls_warn(crls, now, &host);
    assert_string_equal(events, "");
    crls_warn(crls, now + DAY - 5 * HOUR, &host);
    assert_non_null(strstr(events, "crl-expiring {\"issuer\":\"CN=federation\",\"file\":\""));
    assert_non_null(strstr(events, scene.path));
    assert_non_null(strstr(events, "\"number\":\"7\""));
    assert_non_null(strstr(events, "\"next_update\":\"20"));
    assert_non_null(strstr(events, "Z\"}\n"));
    assert_logged("fetch the next");

    events[0] = '\0';
    crls_warn(crls, now + DAY - 4 * HOUR, &host);
    struct crls *then = scene_read_well(&scene, crls); /* the same list in a new generation */
    crls_warn(then, now + DAY - 4 * HOUR, &host);
    assert_string_equal(events, "");
    crls_warn(then, now + DAY + HOUR, &host);
    assert_non_null(strstr(events, "crl-expired {"));
    assert_null(strstr(events, "crl-expiring"));

    events[0] = '\0';
    crls_unref(crls);
    crls = scene_read_well(&scene, then);
    crls_warn(crls, now + DAY + HOUR, &host);
    assert_string_equal(events, "");
    scene_clear(&scene, crls, then);
}

static void two_files_of_one_list_warn_once(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    scene.path = scene.folder;

    crl_write(path_of("%s/a", scene.folder),
              &(struct crl_spec){ .issuer = &root, .next_update_seconds = -60 });
    assert_int_equal(link(path_of("%s/a", scene.folder), path_of("%s/b", scene.folder)), 0);
    struct crls *crls = scene_read_well(&scene, NULL);
    crls_warn(crls, time(NULL), &host);
    const char *event = strstr(events, "crl-expired");
    assert_non_null(event);
    assert_null(strstr(event + 1, "crl-expired"));

    events[0] = '\0';
    struct crls *then = scene_read_well(&scene, crls);
    crls_warn(then, time(NULL), &host);
    assert_string_equal(events, "");
    scene_clear(&scene, crls, then);
}

static void a_host_without_events_is_warned_in_the_log(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    const nk_host silent = { .struct_size = sizeof(silent), .log = host.log };

    crl_write(scene.path, &(struct crl_spec){ .issuer = &root, .next_update_seconds = -60 });
    struct crls *crls = scene_read_well(&scene, NULL);
    log_text[0] = '\0';
    crls_warn(crls, time(NULL), &silent);
    assert_logged("ended at");
    crls_warn(crls, time(NULL), NULL);
    scene_clear(&scene, crls, NULL);
}

int main(void)
{
    ROWS_OF(refusals, check_refusal)
    ROWS_OF(gaps, check_gap)
    ROWS_OF(forms, check_form)
    ROWS_TEST(signed_over_sha1_by_pss);
    ROWS_TEST(extensions_want_version_2);
    ROWS_TEST(many_entries);
    ROWS_TEST(warnings_come_once);
    ROWS_TEST(two_files_of_one_list_warn_once);
    ROWS_TEST(a_host_without_events_is_warned_in_the_log);
    return ROWS_RUN("crls_read", scene_set_up, scene_tear_down);
}
