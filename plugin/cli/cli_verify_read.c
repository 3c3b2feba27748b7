/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli_verify_read.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "base/report.h"
#include "cli/cli_read.h"
#include "trust/pem.h"

DEFINE_AUTO(BIO *, BIO_free_all);
DEFINE_AUTO(X509_REQ *, X509_REQ_free);

static bool is_request_label(const char *label)
{
    return strcmp(label, PEM_STRING_X509_REQ) == 0 || strcmp(label, PEM_STRING_X509_REQ_OLD) == 0;
}

static X509_REQ *decode_request(const unsigned char *der, long len)
{
    const unsigned char *end = der;
    X509_REQ *request = d2i_X509_REQ(NULL, &end, len);

    if (request != NULL && end != der + len) {
        X509_REQ_free(request);
        return NULL;
    }
    return request;
}

static nk_status read_pem(const char *text, size_t len, const char *name, X509_REQ **ret_request,
                          nk_error *err)
{
    AUTO(BIO_free_all) BIO *bio = BIO_new_mem_buf(text, (int)len);
    AUTO(X509_REQ_free) X509_REQ *request = NULL;
    int next = 1;

    while (bio != NULL && next == 1) {
        AUTO(pem_block_clear) struct pem_block block = { 0 };
        next = pem_next(bio, &block);
        if (next != 1) {
            break;
        }
        if (!is_request_label(block.label) || request != NULL) {
            return report(err, NK_E_IDENTITY, "%s holds %s beside one certificate request", name,
                          request != NULL ? "something" : block.label);
        }
        request = decode_request(block.data, block.len);
        if (request == NULL) {
            break;
        }
    }
    if (next != 0 || request == NULL) {
        return report_openssl(err, NK_E_IDENTITY,
                              "%s is no certificate request (PKCS#10, RFC 2986)", name);
    }
    *ret_request = request;
    request = NULL;
    return NK_OK;
}

nk_status request_read(const char *path, X509_REQ **ret_request, nk_error *err)
{
    AUTO(free) char *text = NULL;
    size_t len = 0;
    nk_status status = sent_read(path, "request", &text, &len, err);
    if (status != NK_OK) {
        return status;
    }
    ERR_clear_error();
    *ret_request = decode_request((const unsigned char *)text, (long)len);
    ERR_clear_error();
    return *ret_request != NULL ? NK_OK : read_pem(text, len, sent_name(path), ret_request, err);
}
