/* SPDX-License-Identifier: Apache-2.0
 * What a CA returned: certificates in any order, from anybody's hand. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pkcs7.h>

#include "base/report.h"
#include "cli/cli_import.h"
#include "cli/cli_read.h"
#include "trust/pem.h"

#define DER_SEQUENCE 0x30

DEFINE_AUTO(BIO *, BIO_free_all);
DEFINE_AUTO(EVP_ENCODE_CTX *, EVP_ENCODE_CTX_free);
DEFINE_AUTO(PKCS7 *, PKCS7_free);
DEFINE_AUTO(X509 *, X509_free);

/* NULL: no certificate, or not that alone. Owned: X509_free. */
static X509 *decode_certificate(const unsigned char *der, long len)
{
    const unsigned char *end = der;
    X509 *certificate = d2i_X509(NULL, &end, len);

    if (certificate != NULL && end != der + len) {
        X509_free(certificate);
        return NULL;
    }
    return certificate;
}

/* Takes the certificate over. */
static nk_status push_certificate(STACK_OF(X509) *all, X509 **certificate, nk_error *err)
{
    if (sk_X509_push(all, *certificate) == 0) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    *certificate = NULL;
    return NK_OK;
}

/* PKCS#7, whose certificates alone count: whoever signed it, and its CRLs, do not. */
static nk_status add_signed_data(STACK_OF(X509) *all, const PKCS7 *message, const char *name,
                                 nk_error *err)
{
    const STACK_OF(X509) *certificates =
        PKCS7_type_is_signed(message) && message->d.sign != NULL ? message->d.sign->cert : NULL;
    if (sk_X509_num(certificates) <= 0) {
        return report(err, NK_E_IDENTITY,
                      "%s is PKCS#7 without certificates in signedData; have the CA send its "
                      "certificates alone (certs-only)",
                      name);
    }
    for (int i = 0; i < sk_X509_num(certificates); i++) {
        AUTO(X509_free) X509 *certificate = sk_X509_value(certificates, i);
        if (X509_up_ref(certificate) != 1 || sk_X509_push(all, certificate) == 0) {
            return report(err, NK_E_NOMEM, "out of memory");
        }
        certificate = NULL;
    }
    return NK_OK;
}

/* NULL: no PKCS#7, or not that alone. Owned: PKCS7_free. */
static PKCS7 *decode_message(const unsigned char *der, long len)
{
    const unsigned char *end = der;
    AUTO(PKCS7_free) PKCS7 *message = d2i_PKCS7(NULL, &end, len);
    PKCS7 *whole = end == der + len ? message : NULL;

    message = whole != NULL ? NULL : message;
    return whole;
}

static bool is_message(const struct pem_block *block)
{
    return block->header[0] == '\0' && (strcmp(block->label, PEM_STRING_PKCS7) == 0 ||
                                        strcmp(block->label, PEM_STRING_PKCS7_SIGNED) == 0 ||
                                        strcmp(block->label, PEM_STRING_CMS) == 0);
}

static nk_status add_message_block(STACK_OF(X509) *all, const struct pem_block *block,
                                   const char *name, nk_error *err)
{
    AUTO(PKCS7_free) PKCS7 *message = decode_message(block->data, block->len);
    return message != NULL
               ? add_signed_data(all, message, name, err)
               : report_openssl(err, NK_E_IDENTITY,
                                "%s: the PKCS#7 in it cannot be read; get it again from the CA",
                                name);
}

static nk_status add_block(STACK_OF(X509) *all, const struct pem_block *block, const char *name,
                           nk_error *err)
{
    if (strstr(block->label, "PRIVATE KEY") != NULL) {
        return report(err, NK_E_IDENTITY,
                      "%s holds a private key; a key that was in a file is no key of a node: "
                      "destroy it, and request a certificate by `nodekey enroll'",
                      name);
    }
    if (is_message(block)) {
        return add_message_block(all, block, name, err);
    }
    if (!pem_is_certificate(block)) {
        return report(err, NK_E_IDENTITY, "%s holds a %s; only certificates are imported", name,
                      block->label);
    }
    AUTO(X509_free) X509 *certificate = decode_certificate(block->data, block->len);
    if (certificate == NULL) {
        return report_openssl(err, NK_E_IDENTITY,
                              "%s: a certificate in it cannot be read; get it again from the CA",
                              name);
    }
    return push_certificate(all, &certificate, err);
}

/* DER in place of base64, which is what EST answers (RFC 7030 section 4.1.3). -1: neither. */
static long decode_base64(char *text, size_t len)
{
    AUTO(EVP_ENCODE_CTX_free) EVP_ENCODE_CTX *decoding = EVP_ENCODE_CTX_new();
    unsigned char *der = (unsigned char *)text; /* never ahead of what is read */
    int most = 0;
    int rest = 0;

    if (decoding == NULL) {
        return -1;
    }
    EVP_DecodeInit(decoding);
    return EVP_DecodeUpdate(decoding, der, &most, (const unsigned char *)text, (int)len) >= 0 &&
                   EVP_DecodeFinal(decoding, der + most, &rest) == 1
               ? most + rest
               : -1;
}

/* In no PEM block: one certificate or PKCS#7, as DER or as base64. */
static nk_status add_bare(STACK_OF(X509) *all, char *text, size_t len, const char *name,
                          nk_error *err)
{
    bool is_der = len > 0 && text[0] == DER_SEQUENCE;
    long bytes = is_der ? (long)len : decode_base64(text, len);
    const unsigned char *der = (const unsigned char *)text;
    AUTO(X509_free) X509 *certificate = bytes > 0 ? decode_certificate(der, bytes) : NULL;
    AUTO(PKCS7_free)
    PKCS7 *message = bytes > 0 && certificate == NULL ? decode_message(der, bytes) : NULL;

    ERR_clear_error();
    if (message != NULL) {
        return add_signed_data(all, message, name, err);
    }
    if (certificate == NULL) {
        return report(err, NK_E_IDENTITY, "%s holds no certificate (PEM or DER), and no PKCS#7",
                      name);
    }
    return push_certificate(all, &certificate, err);
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
    return sk_X509_num(all) > 0 ? NK_OK : add_bare(all, text, len, name, err);
}

nk_status chain_file_sort(STACK_OF(X509) *all, EVP_PKEY *key, const char *path,
                          struct own_chain *chain, nk_error *err)
{
    while (sk_X509_num(all) > 0) {
        X509 *next = sk_X509_shift(all);
        EVP_PKEY *its = X509_get0_pubkey(next);
        bool fits = key == NULL || (its != NULL && EVP_PKEY_eq(its, key) == 1);
        if (chain->leaf == NULL && fits) {
            chain->leaf = next;
        } else if (X509_self_signed(next, 0) == 1) {
            X509_free(next);
        } else if (sk_X509_push(chain->intermediates, next) == 0) {
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
    if (sk_X509_num(chain->intermediates) > OWN_CHAIN_INTERMEDIATES_MAX) {
        return report(err, NK_E_IDENTITY, "%s holds more than %d intermediates", sent_name(path),
                      OWN_CHAIN_INTERMEDIATES_MAX);
    }
    return NK_OK;
}
