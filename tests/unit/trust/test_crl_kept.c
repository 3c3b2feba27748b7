/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/pem.h>

#include "base/file.h"
#include "fixtures/rows.h"
#include "unit/trust/crl_scene.h"

/* --- the last good stays --- */

static void break_rollback(const char *path)
{
    list_write(path, &root, 6);
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
    list_write(path_of("%s/list", path), &root, 9);
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
    struct crls *old = scene_read_well(&scene, NULL);
    row->spoil(scene.path);
    assert_int_equal(drops ? chmod(scratch_folder(), 0755) : 0, 0);
    assert_int_equal(drops ? seteuid(NOBODY) : 0, 0);
    nk_status status = scene_read(&scene, old, &crls);
    assert_int_equal(drops ? seteuid(0) : 0, 0);

    assert_int_equal(status, NK_E_TRUST);
    assert_tells(&scene, scene.path);
    assert_tells(&scene, row->text);
    assert_logged(row->text);
    assert_non_null(crls);
    assert_int_equal(lists_len(crls), 1);
    assert_holds(crls, "what was revoked", stranger.certificate);
    assert_true(crls_equal(crls, old));

    crls_unref(old); /* and it holds no more than itself */
    assert_int_equal(
        file_is_folder(scene.path) ? rename(scene.path, path_of("%s-aside", scene.path)) : 0, 0);
    list_write(scene.path, &root, 8);
    old = scene_read_well(&scene, crls);
    assert_int_equal(lists_len(old), 1);
    assert_string_equal(list_number(old, 0), "8");
    scene_clear(&scene, crls, old);
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

    list_write(scene.path, &root, 1);
    list_write(other, &second, 1);
    assert_int_equal(crls_read(paths, 2, issuers, scene.ledger, NULL, &host, &old, NULL), NK_OK);
    spoil_junk(scene.path);
    list_write(other, &second, 2);
    assert_int_equal(crls_read(paths, 2, issuers, scene.ledger, old, &host, &crls, &err),
                     NK_E_TRUST);
    assert_non_null(strstr(err.text, scene.path));
    assert_int_equal(lists_len(crls), 2);
    int newer = strcmp(list_number(crls, 0), "2") == 0 ? 0 : 1;
    assert_string_equal(list_number(crls, newer), "2");
    assert_string_equal(list_number(crls, 1 - newer), "1");
    assert_false(crls_equal(crls, old));
    scene_clear(&scene, old, crls);
}

static void gone_lists_go_with_the_member(void **state)
{
    (void)state;
    struct scene scene = scene_new();

    list_write(scene.path, &root, 1);
    struct crls *old = scene_read_well(&scene, NULL);
    scene.path = path_of("%s/other", scene.folder);
    list_write(scene.path, &second, 1);
    struct crls *crls = scene_read_well(&scene, old);
    assert_int_equal(lists_len(crls), 1);
    scene_clear(&scene, old, crls);
}

static void what_vanishes_from_a_folder_stays(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    const char *root_list = path_of("%s/root", scene.folder);
    scene.path = scene.folder;

    crl_write(root_list, &(struct crl_spec){ .issuer = &root, .revoked = { mute.certificate } });
    list_write(path_of("%s/second", scene.folder), &second, 1);
    struct crls *first = scene_read_well(&scene, NULL);
    assert_int_equal(unlink(root_list), 0);
    struct crls *then = scene_read_well(&scene, first);
    assert_int_equal(lists_len(then), 2);
    assert_holds(then, "what a deleted list revoked", mute.certificate);
    assert_logged("does not hold the CRL of \"CN=federation\" any more");
    assert_true(crls_equal(first, then));

    log_text[0] = '\0';
    crls_unref(first);
    first = scene_read_well(&scene, then);
    assert_string_equal(log_text, ""); /* said once */
    crls_unref(then);
    then = first;
    first = NULL;
    list_write(path_of("%s/new", scene.folder), &root, 5); /* its successor, by another name */
    crls_unref(first);
    first = scene_read_well(&scene, then);
    assert_int_equal(lists_len(first), 2);
    assert_null(strstr(log_text, "any more"));
    scene_clear(&scene, first, then);
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
    struct crls *old = scene_read_well(&scene, NULL);
    list_write(scene.path, &root, 1);
    struct crls *crls = scene_read_well(&scene, old);
    assert_int_equal(lists_len(crls), 2);
    assert_holds(crls, "what a dropped list revoked", mute.certificate);
    scene_clear(&scene, old, crls);
}

static void a_strangers_list_can_be_got_rid_of(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    scene.path = scene.folder;

    list_write(path_of("%s/root", scene.folder), &root, 1);
    list_write(path_of("%s/stranger", scene.folder), &stranger, 1);
    struct crls *old = scene_read_well(&scene, NULL);
    assert_int_equal(lists_len(old), 2);
    assert_int_equal(unlink(path_of("%s/stranger", scene.folder)), 0);
    struct crls *crls = scene_read_well(&scene, old);
    assert_int_equal(lists_len(crls), 1);
    scene_clear(&scene, old, crls);
}

/* --- which of two lists is used --- */

static void the_newer_of_two_is_used(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    scene.path = scene.folder;

    list_write(path_of("%s/a", scene.folder), &root, 8);
    list_write(path_of("%s/b", scene.folder), &root, 7);
    struct crls *crls = scene_read_well(&scene, NULL);
    assert_int_equal(lists_len(crls), 1);
    assert_string_equal(list_number(crls, 0), "8");
    assert_logged("number 7 is not used");

    assert_int_equal(unlink(path_of("%s/a", scene.folder)), 0);
    struct crls *then = NULL; /* now the old one is alone */
    assert_int_equal(scene_read(&scene, crls, &then), NK_E_TRUST);
    assert_tells(&scene, "number 7 is older");
    assert_string_equal(list_number(then, 0), "8");
    scene_clear(&scene, crls, then);
}

static void a_reissue_of_the_same_number_counts(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    struct crl_spec spec = { .issuer = &root, .number = -1, .revoked = { mute.certificate } };

    /* The same second, as of a CA that works quickly; times are read from the list before. */
    crl_write(scene.path, &(struct crl_spec){ .issuer = &root, .number = -1 });
    struct crls *old = scene_read_well(&scene, NULL);
    X509_CRL *list = crl_make(&spec);
    const X509_CRL *first = list_at(old, 0);
    assert_int_equal(X509_CRL_set1_lastUpdate(list, X509_CRL_get0_lastUpdate(first)), 1);
    assert_true(X509_CRL_sign(list, root.key, EVP_sha256()) > 0);
    BIO *file = BIO_new_file(scene.path, "wb");
    assert_int_equal(i2d_X509_CRL_bio(file, list), 1);
    BIO_free(file);
    X509_CRL_free(list);

    struct crls *crls = scene_read_well(&scene, old);
    assert_int_equal(lists_len(crls), 1);
    assert_holds(crls, "what the second list revokes", mute.certificate);
    scene_clear(&scene, old, crls);
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
    struct crls *crls = scene_read_well(&scene, NULL);
    assert_int_equal(lists_len(crls), 2);
    scene_clear(&scene, crls, NULL);
}

static STACK_OF(X509) *these(X509 *a, X509 *b)
{
    STACK_OF(X509) *known = sk_X509_new_null();
    assert_true(sk_X509_push(known, a) > 0 && (b == NULL || sk_X509_push(known, b) > 0));
    return known;
}

/* A CA that changes its key is two CAs of one name for a while. */
static void two_cas_of_one_name_do_not_fight(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    STACK_OF(X509) *known = these(root.certificate, mimic.certificate);
    struct crls *crls = NULL;
    scene.path = scene.folder;

    list_write(path_of("%s/a", scene.folder), &root, 3);
    list_write(path_of("%s/b", scene.folder), &mimic, 9);
    assert_int_equal(scene_read_as(&scene, known, NULL, &crls), NK_OK);
    assert_int_equal(lists_len(crls), 2);
    sk_X509_free(known);
    scene_clear(&scene, crls, NULL);
}

int main(void)
{
    ROWS_OF(breakages, check_breakage)
    ROWS_TEST(one_bad_file_holds_back_no_other);
    ROWS_TEST(gone_lists_go_with_the_member);
    ROWS_TEST(what_vanishes_from_a_folder_stays);
    ROWS_TEST(what_leaves_a_bundle_stays);
    ROWS_TEST(a_strangers_list_can_be_got_rid_of);
    ROWS_TEST(the_newer_of_two_is_used);
    ROWS_TEST(a_reissue_of_the_same_number_counts);
    ROWS_TEST(parts_of_one_ca_do_not_fight);
    ROWS_TEST(two_cas_of_one_name_do_not_fight);
    return ROWS_RUN("crls_read: what stays", scene_set_up, scene_tear_down);
}
