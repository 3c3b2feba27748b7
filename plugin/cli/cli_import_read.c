/* SPDX-License-Identifier: Apache-2.0
 * What a CA returned: certificates in any order, from anybody's hand. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "base/report.h"
#include "cli/cli_import.h"
#include "cli/cli_read.h"
#include "trust/pem.h"

#define INTERMEDIATES_MAX 8 /* as a node reads */

DEFINE_AUTO(BIO *, BIO_free_all);
DEFINE_AUTO(X509 *, X509_free);

static nk_status add_block(STACK_OF(X509) *all, const struct pem_block *block, const char *name,
                           nk_error *err)
{
    if (strstr(block->label, "PRIVATE KEY") != NULL) {
        return report(err, NK_E_IDENTITY,
                      "%s holds a private key; a key that was in a file is no key of a node: "
                      "destroy it, and request a certificate by `nodekey enroll'",
                      name);
    }
    if (!pem_is_certificate(block)) {
        return report(err, NK_E_IDENTITY, "%s holds a %s; only certificates are imported", name,
                      block->label);
    }
    const unsigned char *end = block->data;
    AUTO(X509_free) X509 *certificate = d2i_X509(NULL, &end, block->len);
    if (certificate == NULL || end != block->data + block->len) {
        return report_openssl(err, NK_E_IDENTITY,
                              "%s: a certificate in it cannot be read; get it again from the CA",
                              name);
    }
    if (sk_X509_push(all, certificate) == 0) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    certificate = NULL;
    return NK_OK;
}

nk_status chain_file_read(const char *path, STACK_OF(X509) *all, nk_error *err)
{
    AUTO(free) char *text = NULL;
    size_t len = 0;
    const char *name = sent_name(path);
    nk_status status = sent_read(path, "chain", &text, &len, err);
    if (status != NK_OK) {
        return status;
    }
    AUTO(BIO_free_all) BIO *bio = BIO_new_mem_buf(text, (int)len);
    if (bio == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    for (;;) {
        AUTO(pem_block_clear) struct pem_block block = { 0 };
        int next = pem_next(bio, &block);
        if (next < 0) {
            return report_openssl(err, NK_E_IDENTITY,
                                  "%s is not whole PEM; get it again from the CA", name);
        }
        if (next == 0) {
            break;
        }
        status = add_block(all, &block, name, err);
        if (status != NK_OK) {
            return status;
        }
    }
    return sk_X509_num(all) > 0
               ? NK_OK
               : report(err, NK_E_IDENTITY,
                        "%s holds no certificate in PEM form (openssl x509 -inform DER converts)",
                        name);
}

nk_status chain_file_sort(STACK_OF(X509) *all, EVP_PKEY *key, const char *path,
                          struct chain_file *chain, nk_error *err)
{
    while (sk_X509_num(all) > 0) {
        X509 *next = sk_X509_shift(all);
        EVP_PKEY *its = X509_get0_pubkey(next);
        bool fits = key == NULL || (its != NULL && EVP_PKEY_eq(its, key) == 1);
        if (chain->leaf == NULL && fits) {
            chain->leaf = next;
        } else if (X509_self_signed(next, 0) == 1) {
            X509_free(next);
        } else if (sk_X509_push(chain->others, next) == 0) {
            X509_free(next);
            return report(err, NK_E_NOMEM, "out of memory");
        }
    }
    ERR_clear_error();
    if (chain->leaf == NULL) {
        return report(err, NK_E_IDENTITY,
                      "%s: no certificate in it is for the key on the token; import what the CA "
                      "issued for this node's request (`nodekey csr' makes another)",
                      sent_name(path));
    }
    if (sk_X509_num(chain->others) > INTERMEDIATES_MAX) {
        return report(err, NK_E_IDENTITY, "%s holds more than %d intermediates", sent_name(path),
                      INTERMEDIATES_MAX);
    }
    return NK_OK;
}
