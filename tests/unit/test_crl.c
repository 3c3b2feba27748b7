/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/crl.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/auto.h"
#include "base/file.h"
#include "fixtures/authority.h"
#include "fixtures/check.h"
#include "fixtures/revocation.h"

#define NOBODY 65534
#define MANY_ENTRIES 100000
#define HOUR 3600L
#define DAY (24 * HOUR)

static struct authority root;
static struct authority second; /* below root; an issuer, too */
static struct authority mute;   /* an issuer whose keyUsage lacks cRLSign */
static struct authority plain;  /* an issuer without key identifiers */
static struct authority stranger;
static struct authority mimic; /* a stranger of root's name */
static STACK_OF(X509) *issuers;
static STACK_OF(X509) *nobody_known;

static char log_text[8192];
static char events[2048];

static void keep_log(void *host_data, int32_t level, const char *line)
{
    (void)host_data, (void)level;
    size_t used = strlen(log_text);
    snprintf(log_text + used, sizeof(log_text) - used, "%s\n", line);
}

static void keep_event(void *host_data, const char *name, const char *json)
{
    (void)host_data;
    size_t used = strlen(events);
    snprintf(events + used, sizeof(events) - used, "%s %s\n", name, json);
}

static const nk_host host = { .struct_size = sizeof(host), .log = keep_log, .event = keep_event };

/* --- one place to read from --- */

struct scene {
    const char *folder; /* fresh for each test */
    const char *path;   /* what federation.crls names */
    struct crl_ledger *ledger;
    nk_error err;
};

static struct scene scene_new(void)
{
    static int scenes;
    struct scene scene = { .folder = path_of("%s/%d", scratch_folder(), scenes++) };

    assert_int_equal(mkdir(scene.folder, 0755), 0);
    scene.path = path_of("%s/list", scene.folder);
    assert_int_equal(crl_ledger_open(NULL, &scene.ledger, NULL), NK_OK);
    log_text[0] = '\0';
    events[0] = '\0';
    return scene;
}

static nk_status read_as(struct scene *scene, STACK_OF(X509) *known, const struct crls *old,
                         struct crls **ret_crls)
{
    char *paths[] = { (char *)scene->path };
    scene->err = (nk_error){ .struct_size = sizeof(scene->err) };
    nk_status status = crls_read(paths, 1, known, scene->ledger, old, &host, ret_crls, &scene->err);
    assert_int_equal(ERR_peek_error(), 0);
    return status;
}

static nk_status read_now(struct scene *scene, const struct crls *old, struct crls **ret_crls)
{
    return read_as(scene, issuers, old, ret_crls);
}

static struct crls *read_well(struct scene *scene, const struct crls *old)
{
    struct crls *crls = NULL;
    nk_status status = read_now(scene, old, &crls);
    if (status != NK_OK) {
        fail_msg("%s", scene->err.text);
    }
    return crls;
}

static void assert_tells(const struct scene *scene, const char *text)
{
    if (strstr(scene->err.text, text) == NULL) {
        fail_msg("\"%s\" is not in: %s", text, scene->err.text);
    }
}

static void assert_logged(const char *text)
{
    if (strstr(log_text, text) == NULL) {
        fail_msg("\"%s\" is not in: %s", text, log_text);
    }
}

static void assert_refused(struct scene *scene, const char *text)
{
    struct crls *crls = NULL;
    assert_int_equal(read_now(scene, NULL, &crls), NK_E_TRUST);
    assert_null(crls);
    assert_tells(scene, scene->path);
    assert_tells(scene, text);
}

static void assert_holds(const struct crls *crls, const char *text, const X509 *revoked)
{
    X509_REVOKED *entry = NULL;
    bool found = false;
    for (int i = 0; i < sk_X509_CRL_num(crls_lists(crls)); i++) {
        X509_CRL *list = sk_X509_CRL_value(crls_lists(crls), i);
        found |= X509_CRL_get0_by_serial(list, &entry,
                                         (ASN1_INTEGER *)X509_get0_serialNumber(revoked)) == 1;
    }
    if (!found) {
        fail_msg("%s is not revoked", text);
    }
}

static int count(const struct crls *crls)
{
    return sk_X509_CRL_num(crls_lists(crls));
}

static const char *number_of(const struct crls *crls, int i)
{
    ASN1_INTEGER *number =
        X509_CRL_get_ext_d2i(sk_X509_CRL_value(crls_lists(crls), i), NID_crl_number, NULL, NULL);
    const char *text = number != NULL ? path_of("%ld", ASN1_INTEGER_get(number)) : "none";
    ASN1_INTEGER_free(number);
    return text;
}

static void clear(struct scene *scene, struct crls *a, struct crls *b)
{
    crls_unref(a);
    crls_unref(b);
    crl_ledger_free(scene->ledger);
}

static void write_number(const char *path, const struct authority *issuer, long number)
{
    crl_write(path, &(struct crl_spec){ .issuer = issuer, .number = number });
}

/* --- lists that no path is needed for to refuse --- */

#define TWENTY_ONE "01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15"

static const struct refusal {
    const char *name;
    struct crl_spec spec;
    const struct authority *signer; /* another's key */
    bool sha1;
    const char *text;
} refusals[] = {
    { "no nextUpdate", { .issuer = &root, .endless = true }, NULL, false, "no nextUpdate" },
    { "from the future",
      { .issuer = &root, .this_update_seconds = HOUR },
      NULL,
      false,
      "check this clock" },
    { "nextUpdate before thisUpdate",
      { .issuer = &root, .next_update_seconds = -2 * HOUR },
      NULL,
      false,
      "no time after thisUpdate" },
    { "a delta CRL",
      { .issuer = &root, .number = 2, .extra = "2.5.29.27=critical,DER:02:01:01" },
      NULL,
      false,
      "give the complete CRL" },
    { "an unknown critical extension",
      { .issuer = &root, .extra = "1.2.3.4=critical,DER:05:00" },
      NULL,
      false,
      "critical extension 1.2.3.4" },
    { "a critical crlNumber, which OpenSSL refuses at every path",
      { .issuer = &root, .number = -1, .extra = "2.5.29.20=critical,DER:02:01:05" },
      NULL,
      false,
      "critical extension 2.5.29.20" },
    { "two numbers",
      { .issuer = &root, .number = 5, .extra = "2.5.29.20=DER:02:01:06" },
      NULL,
      false,
      "crlNumber" },
    { "a negative number",
      { .issuer = &root, .number = -1, .extra = "2.5.29.20=DER:02:01:FF" },
      NULL,
      false,
      "crlNumber" },
    { "a number of 21 bytes",
      { .issuer = &root, .number = -1, .extra = "2.5.29.20=DER:02:15:" TWENTY_ONE },
      NULL,
      false,
      "crlNumber" },
    { "a number that is none",
      { .issuer = &root, .number = -1, .extra = "2.5.29.20=DER:04:01:00" },
      NULL,
      false,
      "crlNumber" },
    { "a distribution point that cannot be read",
      { .issuer = &root, .extra = "2.5.29.28=critical,DER:04:00" },
      NULL,
      false,
      "issuingDistributionPoint" },
    { "two authority key identifiers",
      { .issuer = &root, .extra = "2.5.29.35=DER:30:00" },
      NULL,
      false,
      "authorityKeyIdentifier" },
    { "signed over SHA-1", { .issuer = &root }, NULL, true, "sign with SHA-256" },
    { "signed by another's key", { .issuer = &root }, &stranger, false, "is not signed by" },
    { "an issuer without key identifiers, signed by another's key",
      { .issuer = &plain },
      &stranger,
      false,
      "is not signed by" },
    { "an issuer that may not sign lists", { .issuer = &mute }, NULL, false, "cRLSign" },
};

static void check_refusal(void **state)
{
    const struct refusal *row = *state;
    struct scene scene = scene_new();
    struct crl_spec spec = row->spec;

    spec.signer = row->signer != NULL ? row->signer->key : NULL;
    spec.digest = row->sha1 ? EVP_sha1() : NULL;
    crl_write(scene.path, &spec);
    assert_refused(&scene, row->text);
    spec.pem = true;
    crl_write(scene.path, &spec);
    assert_refused(&scene, row->text);
    clear(&scene, NULL, NULL);
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
    clear(&scene, NULL, NULL);
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
    struct crls *crls = read_well(&scene, NULL);
    EVP_PKEY_free(key);
    clear(&scene, crls, NULL);
}

/* --- files that hold no lists --- */

static void append(const char *path, const char *bytes, size_t len)
{
    FILE *file = fopen(path, "ab");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void truncate_half(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(truncate(path, info.st_size / 2), 0);
}

static void spoil_trailing(const char *path)
{
    append(path, "\0", 1);
}

static void spoil_second_der(const char *path)
{
    unsigned char *der = NULL;
    X509_CRL *list = crl_make(&(struct crl_spec){ .issuer = &second });
    int len = i2d_X509_CRL(list, &der);
    append(path, (const char *)der, (size_t)len);
    OPENSSL_free(der);
    X509_CRL_free(list);
}

static void spoil_certificate(const char *path)
{
    char *pem = pem_of(root.certificate, NULL);
    write_file(path, pem, 0644);
    free(pem);
}

static void spoil_list_and_certificate(const char *path)
{
    char *pem = pem_of(root.certificate, NULL);
    crl_write(path, &(struct crl_spec){ .issuer = &root, .pem = true });
    append(path, pem, strlen(pem));
    free(pem);
}

static void spoil_junk(const char *path)
{
    write_file(path, "no list at all\n", 0644);
}

static void spoil_empty(const char *path)
{
    write_file(path, "", 0644);
}

static void spoil_pem(const char *path)
{
    crl_write(path, &(struct crl_spec){ .issuer = &root, .pem = true });
    truncate_half(path);
}

static void spoil_open_file(const char *path)
{
    assert_int_equal(chmod(path, 0646), 0);
}

static void spoil_gone(const char *path)
{
    assert_int_equal(unlink(path), 0);
}

static void spoil_empty_folder(const char *path)
{
    spoil_gone(path);
    assert_int_equal(mkdir(path, 0755), 0);
}

static void spoil_folder_of_others(const char *path)
{
    spoil_empty_folder(path);
    write_file(path_of("%s/.hidden", path), "junk", 0644);
    assert_int_equal(mkdir(path_of("%s/below", path), 0755), 0);
    write_number(path_of("%s/below/list", path), &root, 1);
}

static void spoil_open_folder(const char *path)
{
    spoil_empty_folder(path);
    write_number(path_of("%s/list", path), &root, 1);
    assert_int_equal(chmod(path, 0757), 0);
}

static void spoil_fifo(const char *path)
{
    spoil_gone(path);
    assert_int_equal(mkfifo(path, 0644), 0);
}

static const struct spoiling {
    const char *name;
    void (*spoil)(const char *path);
    const char *text;
} spoilings[] = {
    { "a byte after the DER", spoil_trailing, "1 bytes follow the CRL" },
    { "two lists as DER", spoil_second_der, "must be PEM" },
    { "half a list as DER", truncate_half, "cannot be read" },
    { "half a list as PEM", spoil_pem, "is damaged" },
    { "a certificate", spoil_certificate, "holds a CERTIFICATE: only CRLs" },
    { "a certificate after a list", spoil_list_and_certificate, "holds a CERTIFICATE" },
    { "junk", spoil_junk, "holds no CRL" },
    { "an empty file", spoil_empty, "holds no CRL" },
    { "a file that everybody writes to", spoil_open_file, "chmod o-w" },
    { "no file", spoil_gone, "No such file" },
    { "a FIFO", spoil_fifo, "not a regular file" },
    { "an empty folder", spoil_empty_folder, "empty folder" },
    { "a folder with nothing but hidden files and folders", spoil_folder_of_others,
      "empty folder" },
    { "a folder that everybody writes to", spoil_open_folder, "chmod o-w" },
};

static void check_spoiling(void **state)
{
    const struct spoiling *row = *state;
    struct scene scene = scene_new();

    write_number(scene.path, &root, 1);
    row->spoil(scene.path);
    assert_refused(&scene, row->text);
    clear(&scene, NULL, NULL);
}

/* --- the last good stays --- */

static void break_rollback(const char *path)
{
    write_number(path, &root, 6);
}

static void break_same_number(const char *path)
{
    crl_write(path,
              &(struct crl_spec){ .issuer = &root, .number = 7, .this_update_seconds = -3 * HOUR });
}

static void break_forged(const char *path)
{
    crl_write(path, &(struct crl_spec){ .issuer = &root, .number = 8, .signer = stranger.key });
}

static void break_unreadable(const char *path)
{
    assert_int_equal(chmod(path, 0), 0);
}

static void break_full_folder(const char *path)
{
    spoil_empty_folder(path);
    write_number(path_of("%s/list", path), &root, 9);
}

static const struct breakage {
    const char *name;
    void (*spoil)(const char *path);
    const char *text;
    bool as_nobody; /* what root may not read is nothing */
} breakages[] = {
    { "deleted", spoil_gone, "No such file", false },
    { "truncated", truncate_half, "cannot be read", false },
    { "emptied", spoil_empty, "holds no CRL", false },
    { "junk", spoil_junk, "holds no CRL", false },
    { "a folder in its place", spoil_empty_folder, "was a file", false },
    { "a folder of lists in its place", break_full_folder, "was a file", false },
    { "unreadable", break_unreadable, "Permission denied", true },
    { "rolled back", break_rollback, "number 6 is older", false },
    { "of the same number but older", break_same_number, "number 7 is older", false },
    { "forged", break_forged, "is not signed by", false },
};

static void check_breakage(void **state)
{
    const struct breakage *row = *state;
    struct scene scene = scene_new();
    struct crls *crls = NULL;
    bool drops = row->as_nobody && geteuid() == 0;

    crl_write(scene.path, &(struct crl_spec){
                              .issuer = &root, .number = 7, .revoked = { stranger.certificate } });
    struct crls *old = read_well(&scene, NULL);
    row->spoil(scene.path);
    assert_int_equal(drops ? chmod(scratch_folder(), 0755) : 0, 0);
    assert_int_equal(drops ? seteuid(NOBODY) : 0, 0);
    nk_status status = read_now(&scene, old, &crls);
    assert_int_equal(drops ? seteuid(0) : 0, 0);

    assert_int_equal(status, NK_E_TRUST);
    assert_tells(&scene, scene.path);
    assert_tells(&scene, row->text);
    assert_logged(row->text);
    assert_non_null(crls);
    assert_int_equal(count(crls), 1);
    assert_holds(crls, "what was revoked", stranger.certificate);
    assert_true(crls_equal(crls, old));

    crls_unref(old); /* and it holds no more than itself */
    assert_int_equal(
        file_is_folder(scene.path) ? rename(scene.path, path_of("%s-aside", scene.path)) : 0, 0);
    write_number(scene.path, &root, 8);
    old = read_well(&scene, crls);
    assert_int_equal(count(old), 1);
    assert_string_equal(number_of(old, 0), "8");
    clear(&scene, crls, old);
}

static void one_bad_file_holds_back_no_other(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    const char *other = path_of("%s/other", scene.folder);
    char *paths[] = { (char *)scene.path, (char *)other };
    struct crls *old = NULL;
    struct crls *crls = NULL;
    nk_error err = { .struct_size = sizeof(err) };

    write_number(scene.path, &root, 1);
    write_number(other, &second, 1);
    assert_int_equal(crls_read(paths, 2, issuers, scene.ledger, NULL, &host, &old, NULL), NK_OK);
    spoil_junk(scene.path);
    write_number(other, &second, 2);
    assert_int_equal(crls_read(paths, 2, issuers, scene.ledger, old, &host, &crls, &err),
                     NK_E_TRUST);
    assert_non_null(strstr(err.text, scene.path));
    assert_int_equal(count(crls), 2);
    int newer = strcmp(number_of(crls, 0), "2") == 0 ? 0 : 1;
    assert_string_equal(number_of(crls, newer), "2");
    assert_string_equal(number_of(crls, 1 - newer), "1");
    assert_false(crls_equal(crls, old));
    clear(&scene, old, crls);
}

static void gone_lists_go_with_the_member(void **state)
{
    (void)state;
    struct scene scene = scene_new();

    write_number(scene.path, &root, 1);
    struct crls *old = read_well(&scene, NULL);
    scene.path = path_of("%s/other", scene.folder);
    write_number(scene.path, &second, 1);
    struct crls *crls = read_well(&scene, old);
    assert_int_equal(count(crls), 1);
    clear(&scene, old, crls);
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
    struct crls *crls = read_well(&scene, NULL);
    assert_int_equal(count(crls), 1);
    assert_holds(crls, row->name, stranger.certificate);
    struct crls *again = read_well(&scene, crls); /* the same again is no replay */
    assert_true(crls_equal(crls, again));
    clear(&scene, crls, again);
}

static void several_in_one_file(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    X509_CRL *list = crl_make(&(struct crl_spec){ .issuer = &second });

    crl_write(scene.path, &(struct crl_spec){ .issuer = &root, .pem = true });
    BIO *file = BIO_new_file(scene.path, "ab");
    assert_int_equal(PEM_write_bio_X509_CRL(file, list), 1);
    BIO_free(file);
    X509_CRL_free(list);
    struct crls *crls = read_well(&scene, NULL);
    assert_int_equal(count(crls), 2);
    clear(&scene, crls, NULL);
}

static void a_folder(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    scene.path = scene.folder;

    write_number(path_of("%s/b", scene.folder), &root, 1);
    crl_write(path_of("%s/a", scene.folder), &(struct crl_spec){ .issuer = &second, .pem = true });
    write_file(path_of("%s/.hidden", scene.folder), "junk", 0644);
    assert_int_equal(mkdir(path_of("%s/below", scene.folder), 0755), 0);
    write_file(path_of("%s/below/junk", scene.folder), "junk", 0644);
    struct crls *crls = read_well(&scene, NULL);
    assert_int_equal(count(crls), 2);
    write_file(path_of("%s/c", scene.folder), "junk", 0644);
    assert_refused(&scene, path_of("%s/c", scene.folder));
    clear(&scene, crls, NULL);
}

static void what_vanishes_from_a_folder_stays(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    const char *root_list = path_of("%s/root", scene.folder);
    scene.path = scene.folder;

    crl_write(root_list, &(struct crl_spec){ .issuer = &root, .revoked = { mute.certificate } });
    write_number(path_of("%s/second", scene.folder), &second, 1);
    struct crls *first = read_well(&scene, NULL);
    assert_int_equal(unlink(root_list), 0);
    struct crls *then = read_well(&scene, first);
    assert_int_equal(count(then), 2);
    assert_holds(then, "what a deleted list revoked", mute.certificate);
    assert_logged("does not hold the CRL of \"CN=federation\" any more");
    assert_true(crls_equal(first, then));

    log_text[0] = '\0';
    crls_unref(first);
    first = read_well(&scene, then);
    assert_string_equal(log_text, ""); /* said once */
    crls_unref(then);
    then = first;
    first = NULL;
    write_number(path_of("%s/new", scene.folder), &root, 5); /* its successor, by another name */
    crls_unref(first);
    first = read_well(&scene, then);
    assert_int_equal(count(first), 2);
    assert_null(strstr(log_text, "any more"));
    clear(&scene, first, then);
}

static void what_leaves_a_bundle_stays(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    X509_CRL *list =
        crl_make(&(struct crl_spec){ .issuer = &second, .revoked = { mute.certificate } });

    crl_write(scene.path, &(struct crl_spec){ .issuer = &root, .pem = true });
    BIO *file = BIO_new_file(scene.path, "ab");
    assert_int_equal(PEM_write_bio_X509_CRL(file, list), 1);
    BIO_free(file);
    X509_CRL_free(list);
    struct crls *old = read_well(&scene, NULL);
    write_number(scene.path, &root, 1);
    struct crls *crls = read_well(&scene, old);
    assert_int_equal(count(crls), 2);
    assert_holds(crls, "what a dropped list revoked", mute.certificate);
    clear(&scene, old, crls);
}

static void a_strangers_list_can_be_got_rid_of(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    scene.path = scene.folder;

    write_number(path_of("%s/root", scene.folder), &root, 1);
    write_number(path_of("%s/stranger", scene.folder), &stranger, 1);
    struct crls *old = read_well(&scene, NULL);
    assert_int_equal(count(old), 2);
    assert_int_equal(unlink(path_of("%s/stranger", scene.folder)), 0);
    struct crls *crls = read_well(&scene, old);
    assert_int_equal(count(crls), 1);
    clear(&scene, old, crls);
}

static void the_newer_of_two_is_used(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    scene.path = scene.folder;

    write_number(path_of("%s/a", scene.folder), &root, 8);
    write_number(path_of("%s/b", scene.folder), &root, 7);
    struct crls *crls = read_well(&scene, NULL);
    assert_int_equal(count(crls), 1);
    assert_string_equal(number_of(crls, 0), "8");
    assert_logged("number 7 is not used");

    assert_int_equal(unlink(path_of("%s/a", scene.folder)), 0);
    struct crls *then = NULL; /* now the old one is alone */
    assert_int_equal(read_now(&scene, crls, &then), NK_E_TRUST);
    assert_tells(&scene, "number 7 is older");
    assert_string_equal(number_of(then, 0), "8");
    clear(&scene, crls, then);
}

static void a_reissue_of_the_same_number_counts(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    struct crl_spec spec = { .issuer = &root, .number = -1, .revoked = { mute.certificate } };

    /* The same second, as of a CA that works quickly; times are read from the list before. */
    crl_write(scene.path, &(struct crl_spec){ .issuer = &root, .number = -1 });
    struct crls *old = read_well(&scene, NULL);
    X509_CRL *list = crl_make(&spec);
    const X509_CRL *first = sk_X509_CRL_value(crls_lists(old), 0);
    assert_int_equal(X509_CRL_set1_lastUpdate(list, X509_CRL_get0_lastUpdate(first)), 1);
    assert_true(X509_CRL_sign(list, root.key, EVP_sha256()) > 0);
    BIO *file = BIO_new_file(scene.path, "wb");
    assert_int_equal(i2d_X509_CRL_bio(file, list), 1);
    BIO_free(file);
    X509_CRL_free(list);

    struct crls *crls = read_well(&scene, old);
    assert_int_equal(count(crls), 1);
    assert_holds(crls, "what the second list revokes", mute.certificate);
    clear(&scene, old, crls);
}

static void parts_of_one_ca_do_not_fight(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    scene.path = scene.folder;

    crl_write(path_of("%s/a", scene.folder),
              &(struct crl_spec){
                  .issuer = &root,
                  .number = 3,
                  .extra = "issuingDistributionPoint=critical,@p\n[p]\nfullname=URI:http://a/1" });
    crl_write(path_of("%s/b", scene.folder),
              &(struct crl_spec){
                  .issuer = &root,
                  .number = 9,
                  .extra = "issuingDistributionPoint=critical,@p\n[p]\nfullname=URI:http://a/2" });
    struct crls *crls = read_well(&scene, NULL);
    assert_int_equal(count(crls), 2);
    clear(&scene, crls, NULL);
}

static STACK_OF(X509) *these(X509 *a, X509 *b)
{
    STACK_OF(X509) *known = sk_X509_new_null();
    assert_true(sk_X509_push(known, a) > 0 && (b == NULL || sk_X509_push(known, b) > 0));
    return known;
}

/* As while a CA changes its key. */
static void two_cas_of_one_name_do_not_fight(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    STACK_OF(X509) *known = these(root.certificate, mimic.certificate);
    struct crls *crls = NULL;
    scene.path = scene.folder;

    write_number(path_of("%s/a", scene.folder), &root, 3);
    write_number(path_of("%s/b", scene.folder), &mimic, 9);
    assert_int_equal(read_as(&scene, known, NULL, &crls), NK_OK);
    assert_int_equal(count(crls), 2);
    sk_X509_free(known);
    clear(&scene, crls, NULL);
}

static void two_files_of_one_list_are_one(void **state)
{
    (void)state;
    struct scene scene = scene_new();

    write_number(scene.path, &root, 1);
    struct crls *alone = read_well(&scene, NULL);
    scene.path = path_of("%s/copies", scene.folder);
    assert_int_equal(mkdir(scene.path, 0755), 0);
    assert_int_equal(link(path_of("%s/list", scene.folder), path_of("%s/a", scene.path)), 0);
    assert_int_equal(link(path_of("%s/list", scene.folder), path_of("%s/b", scene.path)), 0);
    struct crls *twice = read_well(&scene, NULL);
    assert_int_equal(count(twice), 1);
    assert_true(crls_equal(alone, twice));
    assert_true(crls_equal(twice, alone));
    clear(&scene, alone, twice);
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

    struct crls *crls = read_well(&scene, NULL);
    assert_int_equal(
        sk_X509_REVOKED_num(X509_CRL_get_REVOKED(sk_X509_CRL_value(crls_lists(crls), 0))),
        MANY_ENTRIES);
    clear(&scene, crls, NULL);
}

/* --- the ledger --- */

static const char *state_of(const struct scene *scene)
{
    const char *state = path_of("%s/state", scene->folder);
    if (access(state, F_OK) != 0) {
        assert_int_equal(mkdir(state, 0700), 0);
    }
    return state;
}

/* As the next process would. */
static void reopen(struct scene *scene)
{
    nk_error err = { .struct_size = sizeof(err) };
    crl_ledger_free(scene->ledger);
    scene->ledger = NULL;
    if (crl_ledger_open(state_of(scene), &scene->ledger, &err) != NK_OK) {
        fail_msg("%s", err.text);
    }
}

static void an_older_list_without_number_is_a_replay(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    struct crl_spec spec = { .issuer = &root, .number = -1 };

    crl_write(scene.path, &spec);
    struct crls *crls = read_well(&scene, NULL);
    spec.this_update_seconds = -2 * HOUR;
    crl_write(scene.path, &spec);
    assert_refused(&scene, "number none is older");
    spec.number = 3; /* a number does not make it newer than what had none */
    crl_write(scene.path, &spec);
    assert_refused(&scene, "number 3 is older");

    spec = (struct crl_spec){ .issuer = &root, .number = -1 };
    reopen(&scene); /* nor after a restart */
    crl_write(scene.path, &spec);
    struct crls *again = read_well(&scene, NULL);
    reopen(&scene);
    spec.this_update_seconds = -2 * HOUR;
    spec.number = 3;
    crl_write(scene.path, &spec);
    assert_refused(&scene, "number 3 is older");
    clear(&scene, crls, again);
}

static void a_list_without_number_unsays_none(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    struct crls *lists[3];

    write_number(scene.path, &root, 7);
    lists[0] = read_well(&scene, NULL);
    crl_write(scene.path,
              &(struct crl_spec){ .issuer = &root, .number = -1, .this_update_seconds = -60 });
    lists[1] = read_well(&scene, NULL);
    crl_write(scene.path,
              &(struct crl_spec){ .issuer = &root, .number = 6, .this_update_seconds = -30 });
    assert_refused(&scene, "number 6 is older");
    crl_write(scene.path,
              &(struct crl_spec){ .issuer = &root, .number = 8, .this_update_seconds = -30 });
    lists[2] = read_well(&scene, NULL);
    crls_unref(lists[0]);
    clear(&scene, lists[1], lists[2]);
}

/* Numbers are compared as numbers: 256 is more than 255, whatever their bytes. */
static void numbers_have_any_length(void **state)
{
    (void)state;
    struct scene scene = scene_new();

    write_number(scene.path, &root, 255);
    struct crls *old = read_well(&scene, NULL);
    write_number(scene.path, &root, 256);
    struct crls *crls = read_well(&scene, old);
    assert_string_equal(number_of(crls, 0), "256");
    write_number(scene.path, &root, 255);
    assert_refused(&scene, "number 255 is older");
    clear(&scene, old, crls);
}

static void forgeries_do_not_poison_it(void **state)
{
    (void)state;
    struct scene scene = scene_new();

    crl_write(scene.path,
              &(struct crl_spec){ .issuer = &root, .number = 1000000, .signer = stranger.key });
    assert_refused(&scene, "is not signed by");
    write_number(scene.path, &root, 1);
    struct crls *crls = read_well(&scene, NULL);

    /* Nor where the issuer is not known yet: the same bytes of name and key identifier. */
    struct crls *unknown = NULL;
    crl_write(scene.path,
              &(struct crl_spec){ .issuer = &second, .number = 1000000, .signer = stranger.key });
    assert_int_equal(read_as(&scene, nobody_known, NULL, &unknown), NK_OK);
    crls_prove(unknown, issuers, scene.ledger);
    write_number(scene.path, &second, 1);
    struct crls *genuine = read_well(&scene, NULL);
    crls_unref(genuine);
    clear(&scene, crls, unknown);
}

static void an_issuer_met_later_proves(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    struct crls *crls = NULL;
    struct crls *then = NULL;

    write_number(scene.path, &second, 7);
    assert_int_equal(read_as(&scene, nobody_known, NULL, &crls), NK_OK);
    assert_logged("waits for a peer");
    write_number(scene.path, &second, 6);
    assert_int_equal(read_as(&scene, nobody_known, NULL, &then), NK_OK); /* who could tell? */
    crls_unref(then);
    then = NULL;

    crls_prove(crls, issuers, scene.ledger);
    assert_int_equal(read_as(&scene, nobody_known, NULL, &then), NK_E_TRUST);
    assert_tells(&scene, "number 6 is older");
    /* Once proven it stays, even if its issuer is forgotten: */
    assert_int_equal(read_as(&scene, nobody_known, crls, &then), NK_E_TRUST);
    assert_int_equal(count(then), 1);
    assert_string_equal(number_of(then, 0), "7");
    clear(&scene, crls, then);
}

/* Then a reading that only knows another CA of that name must not call it a forgery. */
static void once_proven_stays_proven(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    struct authority rival =
        authority_make(NULL, "plain", &(struct certificate_spec){ .bare = true });
    STACK_OF(X509) *known = these(rival.certificate, NULL);
    struct crls *then = NULL;

    write_number(scene.path, &plain, 1);
    struct crls *crls = read_well(&scene, NULL);
    assert_int_equal(read_as(&scene, known, crls, &then), NK_OK);
    assert_int_equal(count(then), 1);
    sk_X509_free(known);
    authority_free(&rival);
    clear(&scene, crls, then);
}

/* What a bad file leaves in force is proven when its issuer is met, and then remembered ... */
static void what_is_carried_is_proven_later(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    struct crls *crls = NULL;
    struct crls *then = NULL;

    write_number(scene.path, &second, 7);
    assert_int_equal(read_as(&scene, nobody_known, NULL, &crls), NK_OK);
    spoil_junk(scene.path);
    assert_int_equal(read_now(&scene, crls, &then), NK_E_TRUST);
    assert_int_equal(count(then), 1);
    write_number(scene.path, &second, 6);
    assert_refused(&scene, "number 6 is older");
    clear(&scene, crls, then);
}

static void of_two_carried_the_newer_is_used(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    struct crls *crls = NULL;
    struct crls *then = NULL;
    scene.path = scene.folder;

    write_number(path_of("%s/a", scene.folder), &second, 7);
    write_number(path_of("%s/b", scene.folder), &second, 8);
    assert_int_equal(read_as(&scene, nobody_known, NULL, &crls), NK_OK);
    assert_int_equal(count(crls), 2);
    spoil_junk(path_of("%s/a", scene.folder));
    spoil_junk(path_of("%s/b", scene.folder));
    assert_int_equal(read_now(&scene, crls, &then), NK_E_TRUST);
    assert_int_equal(count(then), 1);
    assert_string_equal(number_of(then, 0), "8");
    clear(&scene, crls, then);
}

/* ... or found out. */
static void what_is_carried_is_disproven_later(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    struct crls *crls = NULL;
    struct crls *then = NULL;

    crl_write(scene.path, &(struct crl_spec){ .issuer = &second, .signer = stranger.key });
    assert_int_equal(read_as(&scene, nobody_known, NULL, &crls), NK_OK);
    assert_int_equal(count(crls), 1);
    spoil_junk(scene.path);
    assert_int_equal(read_now(&scene, crls, &then), NK_E_TRUST);
    assert_int_equal(count(then), 0);
    assert_logged("turns out not to be signed");
    clear(&scene, crls, then);
}

static void it_outlives_the_process(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    struct stat info;

    reopen(&scene);
    write_number(scene.path, &root, 7);
    struct crls *crls = read_well(&scene, NULL);
    assert_int_equal(stat(path_of("%s/crl-numbers.json", state_of(&scene)), &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    reopen(&scene);
    write_number(scene.path, &root, 6);
    assert_refused(&scene, "number 6 is older");
    write_number(scene.path, &root, 7);
    struct crls *again = read_well(&scene, NULL);
    clear(&scene, crls, again);
}

static void two_processes_share_it(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    struct crl_ledger *other = NULL;

    reopen(&scene);
    assert_int_equal(crl_ledger_open(state_of(&scene), &other, NULL), NK_OK);
    write_number(scene.path, &root, 7);
    struct crls *ours = read_well(&scene, NULL);
    struct crl_ledger *mine = scene.ledger;
    scene.ledger = other;
    write_number(scene.path, &second, 7);
    struct crls *theirs = read_well(&scene, NULL); /* and writes, having never seen root's */
    scene.ledger = mine;
    crl_ledger_free(other);

    reopen(&scene);
    write_number(scene.path, &root, 6);
    assert_refused(&scene, "number 6 is older");
    write_number(scene.path, &second, 6);
    assert_refused(&scene, "number 6 is older");
    clear(&scene, ours, theirs);
}

/* As a process killed between writing and renaming leaves it. */
static void a_half_written_file_is_not_read(void **state)
{
    (void)state;
    struct scene scene = scene_new();

    reopen(&scene);
    write_number(scene.path, &root, 7);
    struct crls *crls = read_well(&scene, NULL);
    write_file(path_of("%s/crl-numbers.json.new", state_of(&scene)), "{\"version\": 1, \"li", 0600);
    reopen(&scene);
    write_number(scene.path, &root, 6);
    assert_refused(&scene, "number 6 is older");
    write_number(scene.path, &root, 8);
    struct crls *then = read_well(&scene, NULL);
    reopen(&scene);
    write_number(scene.path, &root, 7);
    assert_refused(&scene, "number 7 is older");
    clear(&scene, crls, then);
}

/* No byte may be written: as a full disk. */
static void fill_disk(bool full)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = full ? 0 : limit.rlim_max;
    signal(SIGXFSZ, full ? SIG_IGN : SIG_DFL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_costs_no_list(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    struct crls *crls = NULL;

    reopen(&scene);
    write_number(scene.path, &root, 7);
    struct crls *old = read_well(&scene, NULL);
    write_number(scene.path, &root, 8);
    fill_disk(true);
    nk_status status = read_now(&scene, old, &crls);
    fill_disk(false);
    assert_int_equal(status, NK_E_INTERNAL);
    assert_tells(&scene, "remembered in memory only");
    assert_logged("remembered in memory only");
    assert_string_equal(number_of(crls, 0), "8");
    write_number(scene.path, &root, 7);
    assert_refused(&scene, "number 7 is older");

    write_number(scene.path, &root, 8); /* nothing new, but it was not written yet */
    struct crls *then = read_well(&scene, crls);
    reopen(&scene);
    write_number(scene.path, &root, 7);
    assert_refused(&scene, "number 7 is older");
    crls_unref(then);
    clear(&scene, old, crls);
}

#define KEY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define NUMBER "0000000000000000000000000000000000000007"

static const struct damage {
    const char *name;
    const char *text;
} damages[] = {
    { "nothing", "" },
    { "half", "{\"version\": 1, \"lists\": [" },
    { "no object", "[]" },
    { "another version", "{\"version\": 2, \"lists\": []}" },
    { "no lists", "{\"version\": 1}" },
    { "a member more", "{\"version\": 1, \"lists\": [], \"more\": 1}" },
    { "twice", "{\"version\": 1, \"lists\": [], \"lists\": []}" },
    { "a short key", "{\"version\": 1, \"lists\": [{\"key\": \"01\", \"number\": \"" NUMBER
                     "\", \"this_update\": 1, \"issuer\": \"\"}]}" },
    { "a number that is none", "{\"version\": 1, \"lists\": [{\"key\": \"" KEY
                               "\", \"number\": \"7\", \"this_update\": 1, \"issuer\": \"\"}]}" },
    { "no time", "{\"version\": 1, \"lists\": [{\"key\": \"" KEY "\", \"number\": \"" NUMBER
                 "\", \"issuer\": \"\"}]}" },
};

static void check_damage(void **state)
{
    const struct damage *row = *state;
    struct scene scene = scene_new();
    struct crl_ledger *ledger = NULL;
    const char *file = path_of("%s/crl-numbers.json", state_of(&scene));

    write_file(file,
               "{\"version\": 1, \"lists\": [{\"key\": \"" KEY "\", \"number\": \"" NUMBER
               "\", \"this_update\": 1, \"issuer\": \"CN=a\"}]}",
               0600);
    assert_int_equal(crl_ledger_open(state_of(&scene), &ledger, NULL), NK_OK);
    crl_ledger_free(ledger);
    ledger = NULL;
    write_file(file, row->text, 0600);
    scene.err = (nk_error){ .struct_size = sizeof(scene.err) };
    assert_int_equal(crl_ledger_open(state_of(&scene), &ledger, &scene.err), NK_E_TRUST);
    assert_null(ledger);
    assert_tells(&scene, file);
    assert_tells(&scene, "put back a copy");
    clear(&scene, NULL, NULL);
}

static void state_dir_is_ours_alone(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    const char *folder = state_of(&scene);
    const unsigned modes[] = { 0770, 0707, 01777 };
    struct crl_ledger *ledger = NULL;

    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        assert_int_equal(chmod(folder, modes[i]), 0);
        scene.err = (nk_error){ .struct_size = sizeof(scene.err) };
        assert_int_equal(crl_ledger_open(folder, &ledger, &scene.err), NK_E_CONFIG);
        assert_tells(&scene, folder);
        assert_tells(&scene, "chmod g-w,o-w");
    }
    scene.err = (nk_error){ .struct_size = sizeof(scene.err) };
    assert_int_equal(crl_ledger_open(path_of("%s/none", folder), &ledger, &scene.err), NK_E_CONFIG);
    assert_tells(&scene, "state_dir");
    assert_tells(&scene, "No such file");
    write_file(path_of("%s/file", scene.folder), "", 0600);
    scene.err = (nk_error){ .struct_size = sizeof(scene.err) };
    assert_int_equal(crl_ledger_open(path_of("%s/file", scene.folder), &ledger, &scene.err),
                     NK_E_CONFIG);
    assert_tells(&scene, "Not a directory");
    assert_null(ledger);
    clear(&scene, NULL, NULL);
}

static void state_dir_of_another_user(void **state)
{
    (void)state;
    assert_int_equal(geteuid(), 0); /* only root can give a folder away */
    struct scene scene = scene_new();
    const char *folder = state_of(&scene);
    struct crl_ledger *ledger = NULL;

    assert_int_equal(chown(folder, NOBODY, NOBODY), 0);
    scene.err = (nk_error){ .struct_size = sizeof(scene.err) };
    assert_int_equal(crl_ledger_open(folder, &ledger, &scene.err), NK_E_CONFIG);
    assert_tells(&scene, "chown it");

    assert_int_equal(chown(folder, 0, 0), 0); /* root's: may be read, but not written to */
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(chmod(scratch_folder(), 0755), 0);
    assert_int_equal(seteuid(NOBODY), 0);
    scene.err = (nk_error){ .struct_size = sizeof(scene.err) };
    nk_status status = crl_ledger_open(folder, &ledger, &scene.err);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(status, NK_E_CONFIG);
    assert_tells(&scene, "must be able to write");
    assert_null(ledger);
    clear(&scene, NULL, NULL);
}

/* --- warnings --- */

static void warnings_come_once(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    time_t now = time(NULL);

    write_number(scene.path, &root, 7); /* from an hour ago to in a day */
    struct crls *crls = read_well(&scene, NULL);
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
    struct crls *then = read_well(&scene, crls); /* the same list in a new generation */
    crls_warn(then, now + DAY - 4 * HOUR, &host);
    assert_string_equal(events, "");
    crls_warn(then, now + DAY + HOUR, &host);
    assert_non_null(strstr(events, "crl-expired {"));
    assert_null(strstr(events, "crl-expiring"));

    events[0] = '\0';
    crls_unref(crls);
    crls = read_well(&scene, then);
    crls_warn(crls, now + DAY + HOUR, &host);
    assert_string_equal(events, "");
    clear(&scene, crls, then);
}

static void two_files_of_one_list_warn_once(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    scene.path = scene.folder;

    crl_write(path_of("%s/a", scene.folder),
              &(struct crl_spec){ .issuer = &root, .next_update_seconds = -60 });
    assert_int_equal(link(path_of("%s/a", scene.folder), path_of("%s/b", scene.folder)), 0);
    struct crls *crls = read_well(&scene, NULL);
    crls_warn(crls, time(NULL), &host);
    const char *event = strstr(events, "crl-expired");
    assert_non_null(event);
    assert_null(strstr(event + 1, "crl-expired"));

    events[0] = '\0';
    struct crls *then = read_well(&scene, crls);
    crls_warn(then, time(NULL), &host);
    assert_string_equal(events, "");
    clear(&scene, crls, then);
}

static void a_host_without_events_is_warned_in_the_log(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    const nk_host silent = { .struct_size = sizeof(silent), .log = keep_log };

    crl_write(scene.path, &(struct crl_spec){ .issuer = &root, .next_update_seconds = -60 });
    struct crls *crls = read_well(&scene, NULL);
    log_text[0] = '\0';
    crls_warn(crls, time(NULL), &silent);
    assert_logged("ended at");
    crls_warn(crls, time(NULL), NULL);
    clear(&scene, crls, NULL);
}

/* --- all of them --- */

static void make_issuers(void)
{
    root = authority_make(NULL, "federation", NULL);
    mimic = authority_make(NULL, "federation", NULL);
    second = authority_make(&root, "second", NULL);
    stranger = authority_make(NULL, "stranger", NULL);
    mute = authority_make(&root, "mute",
                          &(struct certificate_spec){ .key_usage = "critical,keyCertSign" });
    plain = authority_make(NULL, "plain", &(struct certificate_spec){ .bare = true });
}

static int set_up(void **state)
{
    (void)state;
    make_issuers();
    issuers = sk_X509_new_null();
    nobody_known = sk_X509_new_null();
    X509 *const known[] = { root.certificate, second.certificate, mute.certificate,
                            plain.certificate };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        assert_true(sk_X509_push(issuers, known[i]) > 0);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sk_X509_free(issuers);
    sk_X509_free(nobody_known);
    authority_free(&root);
    authority_free(&mimic);
    authority_free(&second);
    authority_free(&stranger);
    authority_free(&mute);
    authority_free(&plain);
    return 0;
}

static struct CMUnitTest tests[128];
static size_t tests_len;

static void add(const char *name, CMUnitTestFunction function, const void *row)
{
    tests[tests_len++] = (struct CMUnitTest){ name, function, NULL, NULL, (void *)row };
}

int main(void)
{
    static const struct CMUnitTest others[] = {
        cmocka_unit_test(one_bad_file_holds_back_no_other),
        cmocka_unit_test(signed_over_sha1_by_pss),
        cmocka_unit_test(extensions_want_version_2),
        cmocka_unit_test(gone_lists_go_with_the_member),
        cmocka_unit_test(several_in_one_file),
        cmocka_unit_test(a_folder),
        cmocka_unit_test(what_vanishes_from_a_folder_stays),
        cmocka_unit_test(what_leaves_a_bundle_stays),
        cmocka_unit_test(a_strangers_list_can_be_got_rid_of),
        cmocka_unit_test(the_newer_of_two_is_used),
        cmocka_unit_test(a_reissue_of_the_same_number_counts),
        cmocka_unit_test(parts_of_one_ca_do_not_fight),
        cmocka_unit_test(two_cas_of_one_name_do_not_fight),
        cmocka_unit_test(two_files_of_one_list_are_one),
        cmocka_unit_test(many_entries),
        cmocka_unit_test(an_older_list_without_number_is_a_replay),
        cmocka_unit_test(a_list_without_number_unsays_none),
        cmocka_unit_test(numbers_have_any_length),
        cmocka_unit_test(forgeries_do_not_poison_it),
        cmocka_unit_test(an_issuer_met_later_proves),
        cmocka_unit_test(what_is_carried_is_disproven_later),
        cmocka_unit_test(what_is_carried_is_proven_later),
        cmocka_unit_test(of_two_carried_the_newer_is_used),
        cmocka_unit_test(once_proven_stays_proven),
        cmocka_unit_test(it_outlives_the_process),
        cmocka_unit_test(two_processes_share_it),
        cmocka_unit_test(a_half_written_file_is_not_read),
        cmocka_unit_test(a_full_disk_costs_no_list),
        cmocka_unit_test(state_dir_is_ours_alone),
        cmocka_unit_test(state_dir_of_another_user),
        cmocka_unit_test(warnings_come_once),
        cmocka_unit_test(two_files_of_one_list_warn_once),
        cmocka_unit_test(a_host_without_events_is_warned_in_the_log),
    };
    _Static_assert(ARRAY_LEN(refusals) + ARRAY_LEN(spoilings) + ARRAY_LEN(breakages) +
                           ARRAY_LEN(forms) + ARRAY_LEN(damages) + ARRAY_LEN(others) <=
                       ARRAY_LEN(tests),
                   "room for every row");
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        add(refusals[i].name, check_refusal, &refusals[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(spoilings); i++) {
        add(spoilings[i].name, check_spoiling, &spoilings[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(breakages); i++) {
        add(breakages[i].name, check_breakage, &breakages[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        add(forms[i].name, check_form, &forms[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
        add(damages[i].name, check_damage, &damages[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        tests[tests_len++] = others[i];
    }
    return _cmocka_run_group_tests("crls_read", tests, tests_len, set_up, tear_down);
}
