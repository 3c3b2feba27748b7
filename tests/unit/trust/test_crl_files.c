/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/pem.h>

#include "fixtures/rows.h"
#include "unit/trust/crl_scene.h"

/* --- files that hold no lists --- */

static void append(const char *path, const char *bytes, size_t len)
{
    FILE *file = fopen(path, "ab");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
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

static void spoil_pem(const char *path)
{
    crl_write(path, &(struct crl_spec){ .issuer = &root, .pem = true });
    truncate_half(path);
}

/* OpenSSL passes over what does not begin its line: a list that revokes would not count. */
static void spoil_indented_pem(const char *path)
{
    const char *begin = "\n  -----BEGIN X509 CRL-----\n";
    crl_write(path, &(struct crl_spec){ .issuer = &root, .pem = true });
    append(path, begin, strlen(begin));
}

static void spoil_open_file(const char *path)
{
    assert_int_equal(chmod(path, 0646), 0);
}

static void spoil_folder_of_others(const char *path)
{
    spoil_empty_folder(path);
    write_file(path_of("%s/.hidden", path), "junk", 0644);
    assert_int_equal(mkdir(path_of("%s/below", path), 0755), 0);
    list_write(path_of("%s/below/list", path), &root, 1);
}

static void spoil_open_folder(const char *path)
{
    spoil_empty_folder(path);
    list_write(path_of("%s/list", path), &root, 1);
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
    { "an indented list after another", spoil_indented_pem, "not in the first column" },
    { "a certificate", spoil_certificate, "holds a CERTIFICATE: only CRLs" },
    { "a certificate after a list", spoil_list_and_certificate, "holds a CERTIFICATE" },
    { "junk", spoil_junk, "holds no CRL" },
    { "an empty file", spoil_empty, "holds no CRL" },
    { "a file that everybody writes to", spoil_open_file, "chmod go-w" },
    { "no file", spoil_gone, "No such file" },
    { "a FIFO", spoil_fifo, "not a regular file" },
    { "an empty folder", spoil_empty_folder, "empty folder" },
    { "a folder with nothing but hidden files and folders", spoil_folder_of_others,
      "empty folder" },
    { "a folder that everybody writes to", spoil_open_folder, "chmod go-w" },
};

static void check_spoiling(void **state)
{
    const struct spoiling *row = *state;
    struct scene scene = scene_new();

    list_write(scene.path, &root, 1);
    row->spoil(scene.path);
    assert_refused(&scene, row->text);
    scene_clear(&scene, NULL, NULL);
}

/* --- files that hold some --- */

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
    struct crls *crls = scene_read_well(&scene, NULL);
    assert_int_equal(lists_len(crls), 2);
    scene_clear(&scene, crls, NULL);
}

static void a_folder(void **state)
{
    (void)state;
    struct scene scene = scene_new();
    scene.path = scene.folder;

    list_write(path_of("%s/b", scene.folder), &root, 1);
    crl_write(path_of("%s/a", scene.folder), &(struct crl_spec){ .issuer = &second, .pem = true });
    write_file(path_of("%s/.hidden", scene.folder), "junk", 0644);
    assert_int_equal(mkdir(path_of("%s/below", scene.folder), 0755), 0);
    write_file(path_of("%s/below/junk", scene.folder), "junk", 0644);
    struct crls *crls = scene_read_well(&scene, NULL);
    assert_int_equal(lists_len(crls), 2);
    write_file(path_of("%s/c", scene.folder), "junk", 0644);
    assert_refused(&scene, path_of("%s/c", scene.folder));
    scene_clear(&scene, crls, NULL);
}

static void two_files_of_one_list_are_one(void **state)
{
    (void)state;
    struct scene scene = scene_new();

    list_write(scene.path, &root, 1);
    struct crls *alone = scene_read_well(&scene, NULL);
    scene.path = path_of("%s/copies", scene.folder);
    assert_int_equal(mkdir(scene.path, 0755), 0);
    assert_int_equal(link(path_of("%s/list", scene.folder), path_of("%s/a", scene.path)), 0);
    assert_int_equal(link(path_of("%s/list", scene.folder), path_of("%s/b", scene.path)), 0);
    struct crls *twice = scene_read_well(&scene, NULL);
    assert_int_equal(lists_len(twice), 1);
    assert_true(crls_equal(alone, twice));
    assert_true(crls_equal(twice, alone));
    scene_clear(&scene, alone, twice);
}

int main(void)
{
    ROWS_OF(spoilings, check_spoiling)
    ROWS_TEST(several_in_one_file);
    ROWS_TEST(a_folder);
    ROWS_TEST(two_files_of_one_list_are_one);
    return ROWS_RUN("crls_read: files", scene_set_up, scene_tear_down);
}
