/* SPDX-License-Identifier: Apache-2.0 */
#include "node/identity.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/file.h"
#include "base/report.h"
#include "trust/pem.h"

#define CERTIFICATE_MAX_BYTES ((size_t)256 * 1024)
#define INTERMEDIATES_MAX 8

DEFINE_AUTO(BIO *, BIO_free_all);
DEFINE_AUTO(X509 *, X509_free);
DEFINE_AUTO(struct identity *, identity_free);

static nk_status add_certificate(struct identity *identity, const struct pem_block *block,
                                 const char *path, nk_error *err)
{
    if (strstr(block->label, "PRIVATE KEY") != NULL) {
        return report(
            err, NK_E_IDENTITY,
            "%s holds a private key, which a file must not; remove it, treat it as stolen "
            "and generate another on the token",
            path);
    }
    if (!pem_is_certificate(block)) {
        return report(err, NK_E_IDENTITY, "%s holds a %s; only certificates belong in it", path,
                      block->label);
    }
    const unsigned char *end = block->data;
    AUTO(X509_free) X509 *certificate = d2i_X509(NULL, &end, block->len);
    if (certificate == NULL || end != block->data + block->len) {
        return report_openssl(err, NK_E_IDENTITY,
                              "%s: a certificate in it cannot be read; get it again from the CA",
                              path);
    }
    if (identity->leaf == NULL) {
        identity->leaf = certificate;
        certificate = NULL;
        return NK_OK;
    }
    if (sk_X509_num(identity->intermediates) >= INTERMEDIATES_MAX) {
        return report(err, NK_E_IDENTITY, "%s holds more than %d intermediates", path,
                      INTERMEDIATES_MAX);
    }
    if (sk_X509_push(identity->intermediates, certificate) == 0) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    certificate = NULL;
    return NK_OK;
}

static nk_status read_file(struct identity *identity, const char *path, nk_error *err)
{
    AUTO(free) char *text = NULL;
    size_t len = 0;
    nk_status status = file_read(path, CERTIFICATE_MAX_BYTES, NK_E_IDENTITY, &text, &len, err);
    if (status != NK_OK) {
        return report_where(err, status, "node.certificate");
    }
    AUTO(BIO_free_all) BIO *bio = BIO_new_mem_buf(text, (int)len);
    identity->intermediates = sk_X509_new_null();
    if (bio == NULL || identity->intermediates == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    for (;;) {
        AUTO(pem_block_clear) struct pem_block block = { 0 };
        int next = pem_next(bio, &block);
        if (next < 0) {
            return report_openssl(err, NK_E_IDENTITY,
                                  "node.certificate: %s is not whole PEM; get it again from the CA",
                                  path);
        }
        if (next == 0) {
            break;
        }
        status = add_certificate(identity, &block, path, err);
        if (status != NK_OK) {
            return report_where(err, status, "node.certificate");
        }
    }
    if (identity->leaf == NULL) {
        return report(err, NK_E_IDENTITY,
                      "node.certificate: %s holds no certificate in PEM form (openssl x509 -inform "
                      "DER converts)",
                      path);
    }
    return NK_OK;
}

static nk_status read_certificates(struct identity *identity, const struct config *config,
                                   int our_role, nk_error *err)
{
    const struct config_identity *ours = &config->identities[our_role];

    if (!config_is_uri(ours->certificate)) {
        return read_file(identity, ours->certificate, err);
    }
    nk_status status =
        hsm_certificates(ours->module, ours->certificate, config->token.login_timeout_ms,
                         &identity->intermediates, err);
    if (status == NK_OK) {
        identity->leaf = sk_X509_shift(identity->intermediates);
    }
    return status;
}

static nk_status open_key(struct identity *identity, const struct config *config, int our_role,
                          const nk_host *host, const struct identity *sibling, nk_error *err)
{
    EVP_PKEY *leaf_public = X509_get0_pubkey(identity->leaf);
    if (leaf_public == NULL) {
        return report_openssl(err, NK_E_IDENTITY,
                              "node.certificate: %s: its public key cannot be read",
                              config->identities[our_role].certificate);
    }
    struct hsm_key_request request = config_key_request(config, our_role);
    request.host = host;
    request.sibling = sibling != NULL && config_shares_pin(config) ? sibling->key : NULL;
    nk_status status = hsm_provider_register(err);
    return status == NK_OK ? hsm_key_open(&request, leaf_public, &identity->key, err) : status;
}

static void tell_identity(const struct identity *identity, const struct config *config,
                          int our_role, const nk_host *host)
{
    const char *whose = config->one_identity     ? "our"
                        : our_role == OUR_SERVER ? "our server"
                                                 : "our client";
    char unmet[HSM_UNMET_BYTES];

    log_line(host, NK_LOG_INFO, "%s identity: key on token %s, custody: %s", whose,
             hsm_key_token_label(identity->key), hsm_key_custody(identity->key));
    if (hsm_key_unmet(X509_get0_pubkey(identity->leaf), unmet)) {
        log_line(host, NK_LOG_WARNING, "%s identity: %s", whose, unmet);
    }
}

nk_status identity_open(const struct config *config, int our_role, struct policy *policy,
                        const nk_host *host, const struct identity *sibling,
                        struct identity **ret_identity, nk_error *err)
{
    AUTO(identity_free) struct identity *identity = calloc(1, sizeof(*identity));
    if (identity == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    ERR_clear_error();
    nk_status status = read_certificates(identity, config, our_role, err);
    if (status == NK_OK) {
        status =
            policy_check_ours(policy, our_role, identity->leaf, identity->intermediates, host, err);
    }
    if (status == NK_OK) {
        status = open_key(identity, config, our_role, host, sibling, err);
    }
    if (status != NK_OK) {
        return status;
    }
    tell_identity(identity, config, our_role, host);
    *ret_identity = identity;
    identity = NULL;
    return NK_OK;
}

/* --- renewal --- */

static bool same_certificates(const struct identity *a, const struct identity *b)
{
    int len = sk_X509_num(a->intermediates);
    bool same = X509_cmp(a->leaf, b->leaf) == 0 && len == sk_X509_num(b->intermediates);

    for (int i = 0; same && i < len; i++) {
        same =
            X509_cmp(sk_X509_value(a->intermediates, i), sk_X509_value(b->intermediates, i)) == 0;
    }
    return same;
}

static void swap_certificates(struct identity *a, struct identity *b)
{
    X509 *leaf = a->leaf;
    STACK_OF(X509) *intermediates = a->intermediates;

    a->leaf = b->leaf;
    a->intermediates = b->intermediates;
    b->leaf = leaf;
    b->intermediates = intermediates;
}

static nk_status check_candidate(const struct identity *current, const struct identity *candidate,
                                 const struct renewal *renewal, const nk_host *host, nk_error *err)
{
    const EVP_PKEY *ours = X509_get0_pubkey(current->leaf);
    const EVP_PKEY *its = X509_get0_pubkey(candidate->leaf);
    if (its == NULL || EVP_PKEY_eq(ours, its) != 1) {
        ERR_clear_error();
        return report(
            err, NK_E_IDENTITY,
            "node.certificate: %s is for another key than the one in use; a new key takes "
            "effect at the next start",
            renewal->config->identities[renewal->our_role].certificate);
    }
    nk_status status = policy_check_ours(renewal->policy, renewal->our_role, candidate->leaf,
                                         candidate->intermediates, host, err);
    if (status == NK_OK && renewal->both_roles) {
        status = policy_check_ours(renewal->policy,
                                   renewal->our_role == OUR_SERVER ? OUR_CLIENT : OUR_SERVER,
                                   candidate->leaf, candidate->intermediates, host, err);
    }
    return status;
}

nk_status identity_renew(struct identity *identity, const struct renewal *renewal,
                         const nk_host *host, bool *ret_changed, nk_error *err)
{
    AUTO(identity_free) struct identity *candidate = calloc(1, sizeof(*candidate));
    if (candidate == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    ERR_clear_error();
    nk_status status = read_certificates(candidate, renewal->config, renewal->our_role, err);
    if (status != NK_OK || same_certificates(identity, candidate)) {
        return status;
    }
    status = check_candidate(identity, candidate, renewal, host, err);
    if (status != NK_OK) {
        return status;
    }
    swap_certificates(identity, candidate);
    *ret_changed = true;
    return NK_OK;
}

void identity_free(struct identity *identity)
{
    if (identity == NULL) {
        return;
    }
    hsm_key_unref(identity->key);
    X509_free(identity->leaf);
    sk_X509_pop_free(identity->intermediates, X509_free);
    free(identity);
}

nk_status identity_pem(const struct identity *identity, int our_role, char **ret_pem, nk_error *err)
{
    AUTO(free) char *reference = NULL;
    nk_status status = our_role == OUR_SERVER
                           ? hsm_key_reference_inbound(identity->key, &reference, err)
                           : hsm_key_reference(identity->key, &reference, err);
    if (status != NK_OK) {
        return status;
    }
    AUTO(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
    int ok =
        bio != NULL && BIO_puts(bio, reference) > 0 && PEM_write_bio_X509(bio, identity->leaf) == 1;
    for (int i = 0; ok == 1 && i < sk_X509_num(identity->intermediates); i++) {
        ok = PEM_write_bio_X509(bio, sk_X509_value(identity->intermediates, i));
    }
    if (ok != 1) {
        return report_openssl(err, NK_E_INTERNAL, "encode our certificates");
    }
    char *text = NULL;
    long len = BIO_get_mem_data(bio, &text);
    char *pem = strndup(text, (size_t)len);
    if (pem == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    *ret_pem = pem;
    return NK_OK;
}
