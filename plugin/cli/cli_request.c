/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli_request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/report.h"
#include "base/text.h"
#include "dial/token_key.h"
#include "peer/leaf_names.h"

DEFINE_AUTO(BIO *, BIO_free_all);
DEFINE_AUTO(X509_REQ *, X509_REQ_free);
DEFINE_AUTO(EVP_PKEY *, EVP_PKEY_free);
DEFINE_AUTO(EVP_MD_CTX *, EVP_MD_CTX_free);
DEFINE_AUTO(X509 *, X509_free);
DEFINE_AUTO(X509_NAME *, X509_NAME_free);

/* --- names --- */

static const char *flaw_of(int kind, const char *value)
{
    if (value[0] == '\0' || !text_is(value, TEXT_VISIBLE)) {
        return "is empty, or has white space or bytes beyond ASCII in it";
    }
    if (kind == GEN_URI && strstr(value, "://") == NULL) {
        return "is not an absolute URI, such as spiffe://federation.example/node/a";
    }
    if (kind == GEN_DNS && strpbrk(value, "/:@,") != NULL) {
        return "is not a host name";
    }
    if (kind == GEN_EMAIL && strchr(value, '@') == NULL) {
        return "is not an address";
    }
    return NULL;
}

const char *request_add_name(GENERAL_NAMES *names, const char *text)
{
    static const struct {
        const char *prefix;
        int kind;
    } kinds[] = {
        { "URI:", GEN_URI }, { "DNS:", GEN_DNS }, { "IP:", GEN_IPADD }, { "email:", GEN_EMAIL }
    };
    size_t i = 0;

    while (i < ARRAY_LEN(kinds) &&
           strncasecmp(text, kinds[i].prefix, strlen(kinds[i].prefix)) != 0) {
        i++;
    }
    if (i == ARRAY_LEN(kinds)) {
        return "does not begin with URI:, DNS:, IP: or email:";
    }
    const char *value = text + strlen(kinds[i].prefix);
    const char *flaw = flaw_of(kinds[i].kind, value);
    if (flaw != NULL) {
        return flaw;
    }
    GENERAL_NAME *name = a2i_GENERAL_NAME(NULL, NULL, NULL, kinds[i].kind, value, 0);
    if (name == NULL) {
        ERR_clear_error();
        return "is not an address";
    }
    if (sk_GENERAL_NAME_push(names, name) == 0) {
        GENERAL_NAME_free(name);
        return "finds no memory";
    }
    return NULL;
}

/* --- the request --- */

/* Owned: X509_NAME_free. NULL: see OpenSSL's queue. */
static X509_NAME *subject_of(const struct request_spec *spec)
{
    AUTO(X509_NAME_free)
    X509_NAME *subject = spec->subject != NULL ? X509_NAME_dup(spec->subject) : X509_NAME_new();

    if (subject != NULL && spec->subject == NULL && spec->cn[0] != '\0' &&
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)spec->cn,
                                   -1, -1, 0) != 1) {
        return NULL;
    }
    X509_NAME *made = subject;
    subject = NULL;
    return made;
}

static bool add_text(STACK_OF(X509_EXTENSION) *extensions, int nid, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx_nodb(&context);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    if (extension == NULL || sk_X509_EXTENSION_push(extensions, extension) == 0) {
        X509_EXTENSION_free(extension);
        return false;
    }
    return true;
}

static bool add_extensions(X509_REQ *request, const struct request_spec *spec)
{
    bool nameless = X509_NAME_entry_count(X509_REQ_get_subject_name(request)) == 0;
    STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
    bool good = extensions != NULL &&
                /* without a subject the names are all that there is (RFC 5280 section 4.2.1.6) */
                X509V3_add1_i2d(&extensions, NID_subject_alt_name, spec->names, nameless,
                                X509V3_ADD_APPEND) == 1 &&
                add_text(extensions, NID_basic_constraints, "critical,CA:FALSE") &&
                add_text(extensions, NID_key_usage, "critical,digitalSignature") &&
                add_text(extensions, NID_ext_key_usage, spec->usages) &&
                X509_REQ_add_extensions(request, extensions) == 1;

    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return good;
}

nk_status request_check_names(const struct request_spec *spec, nk_error *err)
{
    AUTO(X509_free) X509 *like = X509_new();
    AUTO(X509_NAME_free) X509_NAME *subject = subject_of(spec);
    struct names_storage storage = { .texts = NULL };
    nk_peer facts = { .struct_size = sizeof(facts) };
    nk_error own = { .struct_size = sizeof(own) };

    if (like == NULL || subject == NULL || X509_set_subject_name(like, subject) != 1 ||
        X509_add1_ext_i2d(like, NID_subject_alt_name, spec->names, 0, X509V3_ADD_APPEND) != 1) {
        return report_openssl(err, NK_E_INTERNAL, "build the names");
    }
    nk_status status = leaf_names_read(like, &storage, &facts, &own);
    leaf_names_clear(&storage);
    ERR_clear_error();
    return status == NK_OK
               ? NK_OK
               : report(err, status == NK_E_PEER ? NK_E_IDENTITY : status,
                        "peers would refuse a certificate with these names (%s): correct --san, or "
                        "give --cn (its default is the token's label)",
                        own.text);
}

static bool sign_request(X509_REQ *request, EVP_PKEY *signer, const struct hsm_key *key)
{
    AUTO(EVP_MD_CTX_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *padding = NULL;
    bool pss = false;
    const char *digest = hsm_key_digest(key, &pss);

    return ctx != NULL &&
           EVP_DigestSignInit_ex(ctx, &padding, digest, NULL, NULL, signer, NULL) == 1 &&
           (!pss || (EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING) == 1 &&
                     EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, RSA_PSS_SALTLEN_DIGEST) == 1)) &&
           X509_REQ_sign_ctx(request, ctx) > 0;
}

static nk_status pem_of(X509_REQ *request, char **ret_pem, nk_error *err)
{
    AUTO(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    if (bio == NULL || PEM_write_bio_X509_REQ(bio, request) != 1) {
        return report_openssl(err, NK_E_INTERNAL, "encode the request");
    }
    long len = BIO_get_mem_data(bio, &text);
    *ret_pem = strndup(text, (size_t)len);
    return *ret_pem != NULL ? NK_OK : report(err, NK_E_NOMEM, "out of memory");
}

nk_status request_make(const struct request_spec *spec, struct hsm_key *key, EVP_PKEY *public_key,
                       char **ret_pem, nk_error *err)
{
    AUTO(EVP_PKEY_free) EVP_PKEY *signer = NULL;
    AUTO(X509_REQ_free) X509_REQ *request = X509_REQ_new();

    ERR_clear_error();
    AUTO(X509_NAME_free) X509_NAME *subject = subject_of(spec);
    if (request == NULL || X509_REQ_set_version(request, X509_REQ_VERSION_1) != 1 ||
        subject == NULL || X509_REQ_set_subject_name(request, subject) != 1 ||
        X509_REQ_set_pubkey(request, public_key) != 1 || !add_extensions(request, spec)) {
        return report_openssl(err, NK_E_INTERNAL, "build the request");
    }
    nk_status status = token_key_load(key, &signer, err);
    if (status != NK_OK) {
        return status;
    }
    if (!sign_request(request, signer, key)) {
        return report_openssl(err, NK_E_TOKEN, "sign the request");
    }
    if (X509_REQ_verify(request, public_key) != 1) {
        return report_openssl(err, NK_E_INTERNAL, "the request does not verify");
    }
    return pem_of(request, ret_pem, err);
}
