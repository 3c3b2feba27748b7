/* SPDX-License-Identifier: Apache-2.0 */
#include "authority.h"

#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/conf.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#define HOUR_SECONDS 3600L
#define DAY_SECONDS 86400L
#define FOLDER_BYTES 256
#define REMOVE_OPEN_MAX 16
#define REMOVE_PASSES_MAX 8 /* one per level that cannot be read */

/* A fixture that cannot be made is no test result: stop with the line. */
#define NEED(condition) need((condition), #condition, __LINE__)

static void need(int holds, const char *condition, int line)
{
    if (!holds) {
        fprintf(stderr, "authority.c:%d: %s\n", line, condition);
        ERR_print_errors_fp(stderr);
        abort();
    }
}

EVP_PKEY *software_key(const char *type)
{
    EVP_PKEY *key = NULL;

    if (strncmp(type, "RSA-", 4) == 0) {
        key = EVP_RSA_gen((unsigned)strtoul(type + 4, NULL, 10));
    } else if (strncmp(type, "P-", 2) == 0) {
        key = EVP_EC_gen(type);
    } else {
        key = EVP_PKEY_Q_keygen(NULL, NULL, type);
    }
    NEED(key != NULL);
    return key;
}

/* --- certificates --- */

static void set_random_serial(X509 *certificate)
{
    BIGNUM *number = BN_new();
    NEED(number != NULL && BN_rand(number, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1);
    NEED(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL);
    BN_free(number);
}

static void set_common_name(X509 *certificate, const char *cn)
{
    X509_NAME *subject = X509_NAME_new();
    NEED(subject != NULL);
    if (cn[0] != '\0') {
        NEED(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1,
                                        -1, 0) == 1);
    }
    NEED(X509_set_subject_name(certificate, subject) == 1);
    X509_NAME_free(subject);
}

static void add_extension(X509 *certificate, X509V3_CTX *context, int nid, const char *value)
{
    if (value == NULL || value[0] == '\0') {
        return;
    }
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, context, nid, value);
    NEED(extension != NULL);
    NEED(X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

/* Lines may bring sections of their own, which the values before them name. */
static void add_extra(X509 *certificate, X509V3_CTX *context, const char *lines)
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
    NEED(X509V3_EXT_add_nconf(conf, context, "extra", certificate) == 1);
    BIO_free(text);
    NCONF_free(conf);
}

static const char *or_default(const char *given, const char *good)
{
    return given != NULL ? given : good;
}

static void add_extensions(X509 *certificate, X509 *issuer, const struct certificate_spec *spec)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);

    add_extension(certificate, &context, NID_basic_constraints,
                  or_default(spec->basic_constraints, "critical,CA:FALSE"));
    add_extension(certificate, &context, NID_key_usage,
                  or_default(spec->key_usage, "critical,digitalSignature"));
    add_extension(certificate, &context, NID_ext_key_usage,
                  or_default(spec->eku, "serverAuth,clientAuth"));
    if (!spec->bare) {
        add_extension(certificate, &context, NID_subject_key_identifier, "hash");
    }
    if (!spec->bare && issuer != certificate &&
        X509_get_ext_by_NID(issuer, NID_subject_key_identifier, -1) >= 0) {
        add_extension(certificate, &context, NID_authority_key_identifier, "keyid:always");
    }
    add_extension(certificate, &context, NID_subject_alt_name, spec->san);
    add_extra(certificate, &context, spec->extra);
}

X509 *authority_issue(const struct authority *issuer, EVP_PKEY *subject,
                      const struct certificate_spec *spec)
{
    static const struct certificate_spec good = { 0 };
    spec = spec != NULL ? spec : &good;
    X509 *certificate = X509_new();
    NEED(certificate != NULL);
    X509 *parent = issuer != NULL ? issuer->certificate : certificate;
    EVP_PKEY *signer = issuer != NULL ? issuer->key : subject;

    NEED(X509_set_version(certificate, X509_VERSION_3) == 1);
    set_random_serial(certificate);
    set_common_name(certificate, or_default(spec->cn, "node"));
    NEED(X509_set_issuer_name(certificate, X509_get_subject_name(parent)) == 1);
    long starts = spec->starts_in_seconds != 0 ? spec->starts_in_seconds : -HOUR_SECONDS;
    long ends = spec->ends_in_seconds != 0 ? spec->ends_in_seconds : DAY_SECONDS;
    NEED(X509_gmtime_adj(X509_getm_notBefore(certificate), starts) != NULL);
    NEED(X509_gmtime_adj(X509_getm_notAfter(certificate), ends) != NULL);
    NEED(X509_set_pubkey(certificate, subject) == 1);
    add_extensions(certificate, parent, spec);

    const EVP_MD *digest = spec->digest != NULL ? spec->digest : EVP_sha256();
    NEED(X509_sign(certificate, signer, EVP_PKEY_is_a(signer, "ED25519") ? NULL : digest) > 0);
    return certificate;
}

struct authority authority_make(const struct authority *parent, const char *cn,
                                const struct certificate_spec *spec)
{
    struct certificate_spec ca = { 0 };
    if (spec != NULL) {
        ca = *spec;
    }
    ca.cn = cn;
    ca.basic_constraints = or_default(ca.basic_constraints, "critical,CA:TRUE");
    ca.key_usage = or_default(ca.key_usage, "critical,keyCertSign,cRLSign");
    ca.eku = or_default(ca.eku, "");

    struct authority made = { .key = software_key("P-256") };
    made.certificate = authority_issue(parent, made.key, &ca);
    return made;
}

void authority_free(struct authority *authority)
{
    EVP_PKEY_free(authority->key);
    X509_free(authority->certificate);
    *authority = (struct authority){ 0 };
}

/* --- text --- */

static char *take_text(BIO *bio)
{
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);
    NEED(len >= 0);
    char *text = strndup(len > 0 ? data : "", (size_t)len);
    NEED(text != NULL);
    BIO_free(bio);
    return text;
}

char *pem_of(X509 *first, ...)
{
    BIO *bio = BIO_new(BIO_s_mem());
    NEED(bio != NULL);
    va_list args;
    va_start(args, first);
    for (X509 *certificate = first; certificate != NULL; certificate = va_arg(args, X509 *)) {
        NEED(PEM_write_bio_X509(bio, certificate) == 1);
    }
    va_end(args);
    return take_text(bio);
}

char *pem_of_key(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    NEED(bio != NULL && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    return take_text(bio);
}

/* --- files --- */

void write_file(const char *path, const char *text, unsigned mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, (mode_t)mode);
    NEED(fd >= 0);
    size_t len = strlen(text);
    NEED(write(fd, text, len) == (ssize_t)len);
    NEED(fchmod(fd, (mode_t)mode) == 0); /* whatever the umask or an older file say */
    NEED(close(fd) == 0);
}

static pthread_mutex_t scratch_lock = PTHREAD_MUTEX_INITIALIZER;
static struct { /* guarded by scratch_lock */
    char folder[FOLDER_BYTES];
    pid_t maker; /* a forked child must not remove its parent's folder */
    struct path {
        struct path *next;
        char text[];
    } * paths;
} scratch;

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *where)
{
    (void)about, (void)where;
    if (kind == FTW_DNR) { /* a test took the permission away; the next pass can enter */
        (void)chmod(path, S_IRWXU);
    }
    (void)remove(path);
    return 0; /* go on: remove as much as can be */
}

static void remove_scratch(void)
{
    if (scratch.maker != getpid()) {
        return;
    }
    for (int pass = 0; pass < REMOVE_PASSES_MAX && access(scratch.folder, F_OK) == 0; pass++) {
        (void)nftw(scratch.folder, remove_one, REMOVE_OPEN_MAX, FTW_DEPTH | FTW_PHYS);
    }
}

const char *scratch_folder(void)
{
    NEED(pthread_mutex_lock(&scratch_lock) == 0);
    if (scratch.maker != getpid()) {
        const char *base = getenv("TMPDIR");
        int len = snprintf(scratch.folder, sizeof(scratch.folder), "%s/nodekey-XXXXXX",
                           base != NULL && base[0] == '/' ? base : "/tmp");
        NEED(len > 0 && (size_t)len < sizeof(scratch.folder));
        NEED(mkdtemp(scratch.folder) != NULL);
        if (scratch.maker == 0) { /* a child inherited the registration */
            NEED(atexit(remove_scratch) == 0);
        }
        scratch.maker = getpid();
    }
    NEED(pthread_mutex_unlock(&scratch_lock) == 0);
    return scratch.folder;
}

const char *path_of(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    NEED(len >= 0);
    struct path *path = malloc(sizeof(*path) + (size_t)len + 1);
    NEED(path != NULL);
    va_start(args, fmt);
    vsnprintf(path->text, (size_t)len + 1, fmt, args);
    va_end(args);

    NEED(pthread_mutex_lock(&scratch_lock) == 0);
    path->next = scratch.paths;
    scratch.paths = path;
    NEED(pthread_mutex_unlock(&scratch_lock) == 0);
    return path->text;
}
