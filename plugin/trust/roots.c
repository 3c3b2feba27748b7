/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/roots.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/file.h"
#include "base/report.h"
#include "base/text.h"
#include "trust/key_limits.h"
#include "trust/key_types.h"
#include "trust/pem.h"
#include "trust/root_form.h"
#include "trust/x509_name.h"

#define SUBJECT_BYTES 256
#define NOT_TAKEN                                                                                  \
    "has a key of a kind that is not taken: the federation needs a root of RSA-2048 to RSA-8192 "  \
    "or another of " KEY_TYPES_TAKEN ", its curve by name"

DEFINE_AUTO(BIO *, BIO_free_all);
DEFINE_AUTO(X509 *, X509_free);

/* --- one certificate --- */

/* Of any other kind that counts as weak (DSA, Ed448), no longer key would do. */
static bool key_has_sizes(const X509 *root)
{
    const EVP_PKEY *key = X509_get0_pubkey(root);
    return EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS");
}

/* Problem, but for the signature; to go on from "certificate". */
static const char *root_problem(X509 *root, bool strict)
{
    if ((X509_get_extension_flags(root) & EXFLAG_CA) == 0) {
        return "is self-signed but not a CA (basicConstraints without CA:TRUE): name the "
               "federation's root";
    }
    if ((X509_get_key_usage(root) & KU_KEY_CERT_SIGN) == 0) { /* all bits set when it is absent */
        return "may not sign certificates (its keyUsage lacks keyCertSign): have the federation "
               "issue its root again";
    }
    bool weak = false;
    const char *problem = key_limits_problem(root, &weak);
    if (problem != NULL && strict && weak) {
        return key_has_sizes(root) ? "has a weak key: the federation needs a root of RSA-2048, "
                                     "P-256, Ed25519 or more"
                                   : NOT_TAKEN;
    }
    /* The cost of such a key would be each handshake's, strict or not. */
    return problem != NULL && !weak ? NOT_TAKEN : root_form_problem(root, strict);
}

static bool openssl_can_hash(void)
{
    EVP_MD *digest = EVP_MD_fetch(NULL, "SHA256", NULL);
    EVP_MD_free(digest);
    return digest != NULL;
}

/* By the names and key identifiers alone. */
static const char *issued_by_another(X509 *root)
{
    if (X509_self_signed(root, 0) != 0) {
        return NULL;
    }
    return (X509_get_extension_flags(root) & EXFLAG_CA) != 0
               ? "is an intermediate, not self-signed: name the root that issued it; peers send "
                 "intermediates themselves"
               : "is a node's certificate, not a CA's: name the federation's root";
}

static nk_status check_signature(X509 *root, const char *path, const char *subject, nk_error *err)
{
    ERR_clear_error();
    if (!openssl_can_hash()) { /* fips=yes without the module, or no provider at all */
        return report_openssl(err, NK_E_TRUST,
                              "%s: certificate \"%s\" cannot be checked, since OpenSSL has no "
                              "SHA-256 here: have openssl.cnf activate the default provider, or "
                              "with fips=yes the fips provider",
                              path, subject);
    }
    if (X509_self_signed(root, 1) == 1) {
        return NK_OK;
    }
    const char *problem = X509_get0_pubkey(root) == NULL ? NOT_TAKEN : issued_by_another(root);
    if (problem != NULL) {
        ERR_clear_error();
        return report(err, NK_E_TRUST, "%s: certificate \"%s\" %s", path, subject, problem);
    }
    return report_openssl(err, NK_E_TRUST,
                          "%s: certificate \"%s\" names itself as its issuer, but its own key did "
                          "not sign it: get the root again from the federation; OpenSSL says",
                          path, subject);
}

static nk_status check_root(X509 *root, const char *path, bool strict, nk_error *err)
{
    char subject[SUBJECT_BYTES];
    x509_name_text(X509_get_subject_name(root), subject, sizeof(subject));

    if ((X509_get_extension_flags(root) & EXFLAG_INVALID) != 0) {
        return report(err, NK_E_TRUST,
                      "%s: certificate \"%s\" has extensions that cannot be read: get the root "
                      "again from the federation",
                      path, subject);
    }
    nk_status status = check_signature(root, path, subject, err);
    if (status != NK_OK) {
        return status;
    }
    const char *problem = root_problem(root, strict);
    if (problem != NULL) {
        return report(err, NK_E_TRUST, "%s: certificate \"%s\" %s", path, subject, problem);
    }
    return NK_OK;
}

static bool is_same_der(const X509 *a, const X509 *b)
{
    unsigned char *a_der = NULL;
    unsigned char *b_der = NULL;
    int len = i2d_X509(a, &a_der);
    bool same = len > 0 && i2d_X509(b, &b_der) == len && memcmp(a_der, b_der, (size_t)len) == 0;

    OPENSSL_free(a_der);
    OPENSSL_free(b_der);
    return same;
}

bool roots_have(STACK_OF(X509) *roots, const X509 *certificate)
{
    for (int i = 0; i < sk_X509_num(roots); i++) {
        const X509 *root = sk_X509_value(roots, i);
        /* OpenSSL's comparison is cheap, but of hashes. */
        if (X509_cmp(root, certificate) == 0 && is_same_der(root, certificate)) {
            return true;
        }
    }
    return false;
}

/* --- one file --- */

static nk_status add_root(const struct pem_block *block, const char *path, STACK_OF(X509) *roots,
                          X509 **ret_root, nk_error *err)
{
    if (!pem_is_certificate(block)) {
        return report(err, NK_E_TRUST, "%s holds a %s: only certificates belong in it", path,
                      block->label);
    }
    if (sk_X509_num(roots) == ROOTS_MAX) {
        return report(
            err, NK_E_TRUST,
            "more than %d certificates, with those in %s; name the federation's own alone",
            ROOTS_MAX, path);
    }
    const unsigned char *end = block->data;
    AUTO(X509_free) X509 *root = d2i_X509(NULL, &end, block->len);
    if (root == NULL || end != block->data + block->len) {
        return report_openssl(err, NK_E_TRUST, "%s: certificate %d cannot be read", path,
                              sk_X509_num(roots) + 1);
    }
    (void)X509_check_purpose(root, -1,
                             0); /* decodes the extensions before threads share the root */
    if (sk_X509_push(roots, root) == 0) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    *ret_root = root;
    root = NULL;
    return NK_OK;
}

static nk_status read_file(const char *path, bool strict, STACK_OF(X509) *roots, nk_error *err)
{
    AUTO(free) char *bytes = NULL;
    size_t len = 0;
    nk_status status = file_read(path, ROOTS_FILE_MAX_BYTES, NK_E_TRUST, &bytes, &len, err);
    if (status != NK_OK) {
        return status;
    }
    AUTO(BIO_free_all) BIO *text = BIO_new_mem_buf(bytes, (int)len);
    if (text == NULL) {
        return report_openssl(err, NK_E_NOMEM, "read root %s", path);
    }

    for (size_t found = 0;; found++) {
        AUTO(pem_block_clear) struct pem_block block = { 0 };
        int next = pem_next(text, &block);
        if (next < 0) {
            return report_openssl(err, NK_E_TRUST, "%s is damaged: get it again", path);
        }
        if (next == 0 && found == 0) {
            return report(err, NK_E_TRUST,
                          "%s holds no certificate in PEM form (openssl x509 -inform DER "
                          "converts)",
                          path);
        }
        if (next == 0) {
            return NK_OK;
        }
        X509 *root = NULL;
        status = add_root(&block, path, roots, &root, err);
        if (status == NK_OK) {
            status = check_root(root, path, strict, err);
        }
        if (status != NK_OK) {
            return status;
        }
    }
}

/* --- all --- */

static int count_namesakes(STACK_OF(X509) *roots, const X509_NAME *name)
{
    int namesakes = 0;

    for (int i = 0; i < sk_X509_num(roots); i++) {
        namesakes += X509_NAME_cmp(name, X509_get_subject_name(sk_X509_value(roots, i))) == 0;
    }
    return namesakes;
}

static nk_status check_names(STACK_OF(X509) *roots, nk_error *err)
{
    for (int i = 0; i < sk_X509_num(roots); i++) {
        const X509_NAME *name = X509_get_subject_name(sk_X509_value(roots, i));
        if (count_namesakes(roots, name) > ROOTS_NAMESAKES_MAX) {
            char subject[SUBJECT_BYTES];
            x509_name_text(name, subject, sizeof(subject));
            return report(err, NK_E_TRUST,
                          "more than %d roots have the name \"%s\": take those out of "
                          "federation.roots that are no longer in use",
                          ROOTS_NAMESAKES_MAX, subject);
        }
    }
    return NK_OK;
}

static bool is_valid_now(const X509 *root)
{
    return text_compare_to_now(X509_get0_notBefore(root)) < 0 &&
           text_compare_to_now(X509_get0_notAfter(root)) > 0;
}

/* Anchors are a name and a key (RFC 5280 section 6.1.1 d): certificates below chain to either. */
static bool has_valid_twin(STACK_OF(X509) *roots, const X509 *root)
{
    for (int i = 0; i < sk_X509_num(roots); i++) {
        const X509 *other = sk_X509_value(roots, i);
        if (is_valid_now(other) &&
            X509_NAME_cmp(X509_get_subject_name(other), X509_get_subject_name(root)) == 0 &&
            EVP_PKEY_eq(X509_get0_pubkey(other), X509_get0_pubkey(root)) == 1) {
            return true;
        }
    }
    return false;
}

/* Reason why whoever chains to the root alone will be refused; NULL: none. */
static const char *root_weakness(const X509 *root, bool twin)
{
    bool weak = false;

    if (key_limits_problem(root, &weak) != NULL) {
        return key_has_sizes(root)
                   ? "has a weak key: every certificate below it is refused; have the federation "
                     "make a root of RSA-2048, P-256, Ed25519 or more"
                   : "has a key of a kind that is not taken: every certificate below it is "
                     "refused; have the federation make a root of RSA-2048 or more, P-256 or "
                     "Ed25519";
    }
    if (text_compare_to_now(X509_get0_notAfter(root)) < 0) {
        return twin ? "has expired, and another root of its name and key holds in its stead: take "
                      "the old one out"
                    : "has expired: every certificate below it is refused; get the federation's "
                      "new root";
    }
    if (!twin && text_compare_to_now(X509_get0_notBefore(root)) > 0) {
        return "is not yet valid: every certificate below it is refused; check this clock";
    }
    return NULL;
}

/* Once all are read, since a twin may be in any file. */
static void warn_of_weakness(STACK_OF(X509) *roots, char *const files[ROOTS_MAX],
                             const nk_host *host)
{
    for (int i = 0; i < sk_X509_num(roots); i++) {
        const X509 *root = sk_X509_value(roots, i);
        const char *weakness = root_weakness(root, has_valid_twin(roots, root));
        if (weakness != NULL) {
            char subject[SUBJECT_BYTES];
            x509_name_text(X509_get_subject_name(root), subject, sizeof(subject));
            log_line(host, NK_LOG_WARNING, "federation.roots: %s: certificate \"%s\" %s", files[i],
                     subject, weakness);
        }
    }
}

nk_status roots_read(char *const *paths, size_t len, bool strict, const nk_host *host,
                     STACK_OF(X509) **ret_roots, nk_error *err)
{
    ERR_clear_error();
    if (len == 0) {
        return report(err, NK_E_TRUST, "federation.roots is empty: name the federation's root");
    }
    STACK_OF(X509) *roots = sk_X509_new_null();
    if (roots == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    nk_status status = NK_OK;
    char *files[ROOTS_MAX] = { NULL }; /* of each root */
    for (size_t i = 0; status == NK_OK && i < len; i++) {
        int first = sk_X509_num(roots);
        status = report_where(err, read_file(paths[i], strict, roots, err), "federation.roots");
        for (int at = first; at < sk_X509_num(roots); at++) {
            files[at] = paths[i];
        }
    }
    if (status == NK_OK) {
        status = check_names(roots, err);
    }
    if (status != NK_OK) {
        sk_X509_pop_free(roots, X509_free);
        return status;
    }
    warn_of_weakness(roots, files, host);
    *ret_roots = roots;
    return NK_OK;
}
