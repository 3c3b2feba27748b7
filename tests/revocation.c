/* SPDX-License-Identifier: Apache-2.0 */
#include "revocation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/bio.h>
#include <openssl/conf.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define HOUR_SECONDS 3600L
#define DAY_SECONDS 86400L

#define NEED(condition) need((condition), #condition, __LINE__)

static void need(int holds, const char *condition, int line)
{
    if (!holds) {
        fprintf(stderr, "revocation.c:%d: %s\n", line, condition);
        ERR_print_errors_fp(stderr);
        abort();
    }
}

static void revoke(X509_CRL *list, const X509 *certificate)
{
    X509_REVOKED *entry = X509_REVOKED_new();
    ASN1_TIME *when = X509_gmtime_adj(NULL, -HOUR_SECONDS);
    NEED(entry != NULL && when != NULL);
    NEED(X509_REVOKED_set_serialNumber(entry,
                                       (ASN1_INTEGER *)X509_get0_serialNumber(certificate)) == 1);
    NEED(X509_REVOKED_set_revocationDate(entry, when) == 1);
    NEED(X509_CRL_add0_revoked(list, entry) == 1);
    ASN1_TIME_free(when);
}

static void add_number(X509_CRL *list, long number)
{
    if (number < 0) {
        return;
    }
    ASN1_INTEGER *value = ASN1_INTEGER_new();
    NEED(value != NULL && ASN1_INTEGER_set(value, number) == 1);
    NEED(X509_CRL_add1_ext_i2d(list, NID_crl_number, value, 0, 0) == 1);
    ASN1_INTEGER_free(value);
}

static void add_extra(X509_CRL *list, X509V3_CTX *context, const char *lines)
{
    if (lines == NULL) {
        return;
    }
    CONF *conf = NCONF_new(NULL);
    BIO *text = BIO_new(BIO_s_mem());
    NEED(conf != NULL && text != NULL);
    NEED(BIO_printf(text, "[extra]\n%s\n", lines) > 0);
    NEED(NCONF_load_bio(conf, text, NULL) == 1);
    X509V3_set_nconf(context, conf);
    NEED(X509V3_EXT_CRL_add_nconf(conf, context, "extra", list) == 1);
    BIO_free(text);
    NCONF_free(conf);
}

static void add_extensions(X509_CRL *list, const struct crl_spec *spec)
{
    X509 *issuer = spec->issuer->certificate;
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, NULL, NULL, list, 0);

    if (!spec->bare && X509_get_ext_by_NID(issuer, NID_subject_key_identifier, -1) >= 0) {
        X509_EXTENSION *keyid =
            X509V3_EXT_conf_nid(NULL, &context, NID_authority_key_identifier, "keyid:always");
        NEED(keyid != NULL && X509_CRL_add_ext(list, keyid, -1) == 1);
        X509_EXTENSION_free(keyid);
    }
    add_number(list, spec->number);
    add_extra(list, &context, spec->extra);
}

static void set_times(X509_CRL *list, const struct crl_spec *spec)
{
    long starts = spec->this_update_seconds != 0 ? spec->this_update_seconds : -HOUR_SECONDS;
    ASN1_TIME *when = X509_gmtime_adj(NULL, starts);
    NEED(when != NULL && X509_CRL_set1_lastUpdate(list, when) == 1);
    if (!spec->endless) {
        long ends = spec->next_update_seconds != 0 ? spec->next_update_seconds : DAY_SECONDS;
        NEED(X509_gmtime_adj(when, ends) != NULL && X509_CRL_set1_nextUpdate(list, when) == 1);
    }
    ASN1_TIME_free(when);
}

static X509_CRL *as_read(X509_CRL *list)
{
    unsigned char *der = NULL;
    int len = i2d_X509_CRL(list, &der);
    const unsigned char *end = der;
    NEED(len > 0);
    X509_CRL *read = d2i_X509_CRL(NULL, &end, len);
    NEED(read != NULL);
    OPENSSL_free(der);
    X509_CRL_free(list);
    return read;
}

X509_CRL *crl_make(const struct crl_spec *spec)
{
    X509_CRL *list = X509_CRL_new();
    EVP_PKEY *signer = spec->signer != NULL ? spec->signer : spec->issuer->key;
    const EVP_MD *digest = spec->digest != NULL ? spec->digest : EVP_sha256();

    NEED(list != NULL && X509_CRL_set_version(list, X509_CRL_VERSION_2) == 1);
    NEED(X509_CRL_set_issuer_name(list, X509_get_subject_name(spec->issuer->certificate)) == 1);
    set_times(list, spec);
    for (size_t i = 0; i < CRL_REVOKED_MAX && spec->revoked[i] != NULL; i++) {
        revoke(list, spec->revoked[i]);
    }
    add_extensions(list, spec);
    NEED(X509_CRL_sort(list) == 1);
    NEED(X509_CRL_sign(list, signer, EVP_PKEY_is_a(signer, "ED25519") ? NULL : digest) > 0);
    return as_read(list);
}

void crl_write(const char *path, const struct crl_spec *spec)
{
    char fresh[4096]; /* hidden, so that a folder of lists does not hold it */
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    int len = snprintf(fresh, sizeof(fresh), "%.*s.%s.new", (int)(name - path), path, name);
    NEED(len > 0 && (size_t)len < sizeof(fresh));

    X509_CRL *list = crl_make(spec);
    BIO *file = BIO_new_file(fresh, "wb");
    NEED(file != NULL);
    NEED((spec->pem ? PEM_write_bio_X509_CRL(file, list) : i2d_X509_CRL_bio(file, list)) == 1);
    NEED(BIO_flush(file) == 1);
    BIO_free(file);
    NEED(chmod(fresh, 0644) == 0);
    NEED(rename(fresh, path) == 0);
    X509_CRL_free(list);
}
