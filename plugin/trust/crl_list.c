/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/crl_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/file.h"
#include "base/report.h"
#include "trust/pem.h"
#include "trust/x509_name.h"

#define DER_SEQUENCE 0x30

DEFINE_AUTO(BIGNUM *, BN_free);
DEFINE_AUTO(BIO *, BIO_free_all);
DEFINE_AUTO(struct crl_list *, crl_list_free);

/* --- life --- */

void crl_list_free(struct crl_list *list)
{
    if (list == NULL) {
        return;
    }
    crl_clear(&list->crl);
    free(list->source);
    free(list->file);
    free(list);
}

struct crl_list *crl_list_copy(const struct crl_list *list)
{
    struct crl_list *copy = malloc(sizeof(*copy));
    if (copy == NULL) {
        return NULL;
    }
    *copy = (struct crl_list){
        .source = strdup(list->source),
        .file = strdup(list->file),
        .order = list->order,
        .proven = atomic_load(&list->proven), /* another thread may be in crls_prove */
        .carried = list->carried,
        .told_gone = list->told_gone,
        .warned_expiring = atomic_load(&list->warned_expiring),
        .warned_expired = atomic_load(&list->warned_expired),
    };
    memcpy(copy->issuer, list->issuer, sizeof(copy->issuer));
    memcpy(copy->digest, list->digest, sizeof(copy->digest));
    if (!crl_copy(&list->crl, &copy->crl) || copy->source == NULL || copy->file == NULL) {
        crl_list_free(copy);
        return NULL;
    }
    return copy;
}

bool crl_lists_append(struct crl_lists *lists, struct crl_list *list)
{
    struct crl_list **at =
        list != NULL ? realloc(lists->at, (lists->len + 1) * sizeof(struct crl_list *)) : NULL;
    if (at == NULL) {
        crl_list_free(list);
        return false;
    }
    lists->at = at;
    at[lists->len++] = list;
    return true;
}

void crl_lists_cut(struct crl_lists *lists, size_t len)
{
    while (lists->len > len) {
        crl_list_free(lists->at[--lists->len]);
    }
    if (len == 0) {
        free(lists->at);
        lists->at = NULL;
    }
}

struct crls *crls_new(void)
{
    struct crls *crls = calloc(1, sizeof(*crls));
    if (crls != NULL) {
        atomic_init(&crls->references, 1);
    }
    return crls;
}

/* --- from bytes --- */

struct file_at {
    const char *source;
    const char *file;
};

static nk_status decode_list(struct crl_list *list, const struct file_at *at,
                             const unsigned char *der, size_t len, nk_error *err)
{
    const unsigned char *end = der;

    list->crl.list = d2i_X509_CRL(NULL, &end, (long)len);
    if (list->crl.list == NULL) {
        return report_openssl(err, NK_E_TRUST, "%s: holds a CRL that cannot be read: get it again",
                              at->file);
    }
    if (end != der + len) {
        return report(err, NK_E_TRUST,
                      "%s: %td bytes follow the CRL: get it again (several in one file must be "
                      "PEM)",
                      at->file, der + len - end);
    }
    list->source = strdup(at->source);
    list->file = strdup(at->file);
    x509_name_text(X509_CRL_get_issuer(list->crl.list), list->issuer, sizeof(list->issuer));
    bool whole = list->source != NULL && list->file != NULL &&
                 EVP_Digest(der, len, list->digest, NULL, EVP_sha256(), NULL) == 1;
    return whole ? NK_OK : report(err, NK_E_NOMEM, "out of memory");
}

static nk_status add_list(const struct file_at *at, const unsigned char *der, size_t len,
                          struct crl_lists *lists, nk_error *err)
{
    if (lists->len >= CRL_LISTS_MAX) {
        return report(err, NK_E_TRUST, "%s: is one of more than %d CRLs; remove old ones", at->file,
                      CRL_LISTS_MAX);
    }
    AUTO(crl_list_free) struct crl_list *list = calloc(1, sizeof(*list));
    nk_status status = list != NULL ? decode_list(list, at, der, len, err)
                                    : report(err, NK_E_NOMEM, "out of memory");
    if (status != NK_OK) {
        return status;
    }
    status = crl_check(&list->crl, &list->order, err);
    if (status != NK_OK) {
        return report_where(err, status, "%s: the CRL of \"%s\"", at->file, list->issuer);
    }
    bool added = crl_lists_append(lists, list);
    list = NULL;
    return added ? NK_OK : report(err, NK_E_NOMEM, "out of memory");
}

static nk_status add_pem_lists(const struct file_at *at, const char *bytes, size_t len,
                               struct crl_lists *lists, nk_error *err)
{
    AUTO(BIO_free_all) BIO *text = BIO_new_mem_buf(bytes, (int)len);
    if (text == NULL) {
        return report_openssl(err, NK_E_NOMEM, "read %s", at->file);
    }
    for (size_t found = 0;; found++) {
        AUTO(pem_block_clear) struct pem_block block = { 0 };
        int next = pem_next(text, &block);
        if (next < 0) {
            return report_openssl(err, NK_E_TRUST, "%s: is damaged: get it again", at->file);
        }
        if (next == 0 && found == 0) {
            return report(err, NK_E_TRUST,
                          "%s: holds no CRL, neither as PEM nor as DER: get it again", at->file);
        }
        if (next == 0) {
            return NK_OK;
        }
        if (strcmp(block.label, PEM_STRING_X509_CRL) != 0 || block.header[0] != '\0') {
            return report(err, NK_E_TRUST, "%s: holds a %s: only CRLs belong in it", at->file,
                          block.label);
        }
        nk_status status = add_list(at, block.data, (size_t)block.len, lists, err);
        if (status != NK_OK) {
            return status;
        }
    }
}

nk_status crl_lists_read(const char *source, const char *file, struct crl_lists *lists,
                         nk_error *err)
{
    const struct file_at at = { source, file };
    AUTO(free) char *bytes = NULL;
    size_t len = 0;

    ERR_clear_error();
    nk_status status = file_read(file, CRL_FILE_MAX_BYTES, NK_E_TRUST, &bytes, &len, err);
    if (status != NK_OK) {
        return status;
    }
    return len > 0 && bytes[0] == DER_SEQUENCE
               ? add_list(&at, (const unsigned char *)bytes, len, lists, err)
               : add_pem_lists(&at, bytes, len, lists, err);
}

void crl_list_number(const struct crl_list *list, char *text, size_t room)
{
    AUTO(BN_free) BIGNUM *number = BN_bin2bn(list->order.number, CRL_NUMBER_BYTES, NULL);
    char *decimal = list->order.numbered && number != NULL ? BN_bn2dec(number) : NULL;
    snprintf(text, room, "%s", decimal != NULL ? decimal : "none");
    OPENSSL_free(decimal);
}
