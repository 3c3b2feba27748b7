/* SPDX-License-Identifier: Apache-2.0 */
#include "judge/own_chain.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/pem.h>

#include "base/file.h"
#include "base/report.h"
#include "hsm.h"
#include "trust/pem.h"

#define CERTIFICATE_MAX_BYTES ((size_t)256 * 1024)

DEFINE_AUTO(BIO *, BIO_free_all);
DEFINE_AUTO(X509 *, X509_free);

static nk_status add_certificate(struct own_chain *chain, const struct pem_block *block,
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
    if (chain->leaf == NULL) {
        chain->leaf = certificate;
        certificate = NULL;
        return NK_OK;
    }
    if (sk_X509_num(chain->intermediates) >= OWN_CHAIN_INTERMEDIATES_MAX) {
        return report(err, NK_E_IDENTITY, "%s holds more than %d intermediates", path,
                      OWN_CHAIN_INTERMEDIATES_MAX);
    }
    if (sk_X509_push(chain->intermediates, certificate) == 0) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    certificate = NULL;
    return NK_OK;
}

static nk_status read_file(struct own_chain *chain, const char *path, nk_error *err)
{
    AUTO(free) char *text = NULL;
    size_t len = 0;
    nk_status status = file_read(path, CERTIFICATE_MAX_BYTES, NK_E_IDENTITY, &text, &len, err);
    if (status != NK_OK) {
        return report_where(err, status, "node.certificate");
    }
    AUTO(BIO_free_all) BIO *bio = BIO_new_mem_buf(text, (int)len);
    chain->intermediates = sk_X509_new_null();
    if (bio == NULL || chain->intermediates == NULL) {
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
        status = add_certificate(chain, &block, path, err);
        if (status != NK_OK) {
            return report_where(err, status, "node.certificate");
        }
    }
    if (chain->leaf == NULL) {
        return report(err, NK_E_IDENTITY,
                      "node.certificate: %s holds no certificate in PEM form (openssl x509 -inform "
                      "DER converts)",
                      path);
    }
    return NK_OK;
}

nk_status own_chain_read(const struct config *config, int our_role, struct own_chain *chain,
                         nk_error *err)
{
    const struct config_identity *ours = &config->identities[our_role];

    if (!config_is_uri(ours->certificate)) {
        return read_file(chain, ours->certificate, err);
    }
    nk_status status = hsm_certificates(ours->module, ours->certificate,
                                        config->token.login_timeout_ms, &chain->intermediates, err);
    if (status == NK_OK) {
        chain->leaf = sk_X509_shift(chain->intermediates);
    }
    return status;
}

bool own_chain_write(const struct own_chain *chain, BIO *bio)
{
    bool good = PEM_write_bio_X509(bio, chain->leaf) == 1;

    for (int i = 0; good && i < sk_X509_num(chain->intermediates); i++) {
        good = PEM_write_bio_X509(bio, sk_X509_value(chain->intermediates, i)) == 1;
    }
    return good;
}

void own_chain_clear(struct own_chain *chain)
{
    X509_free(chain->leaf);
    sk_X509_pop_free(chain->intermediates, X509_free);
    *chain = (struct own_chain){ .leaf = NULL };
}
