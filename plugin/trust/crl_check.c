/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/crl_check.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/report.h"
#include "base/text.h"
#include "trust/crl_scope.h"
#include "trust/key_limits.h"

#define OID_BYTES 80
#define PROBLEM_BYTES 150

DEFINE_AUTO(ASN1_INTEGER *, ASN1_INTEGER_free);
DEFINE_AUTO(AUTHORITY_KEYID *, AUTHORITY_KEYID_free);
DEFINE_AUTO(EVP_MD_CTX *, EVP_MD_CTX_free);

/* --- its times --- */

static nk_status read_times(struct crl *crl, nk_error *err)
{
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl->list);

    crl->this_update = text_read_time(X509_CRL_get0_lastUpdate(crl->list));
    crl->next_update = text_read_time(next);
    ERR_clear_error();
    if (crl->this_update == (time_t)-1) {
        return report(err, NK_E_TRUST, "has a thisUpdate that is no time: get it again");
    }
    if (crl->this_update > time(NULL)) {
        return report(err, NK_E_TRUST, "is from the future (thisUpdate): check this clock");
    }
    if (next == NULL) {
        return report(err, NK_E_TRUST,
                      "has no nextUpdate, so nobody could tell when it is stale: RFC 5280 wants "
                      "the CA to set one");
    }
    if (crl->next_update <= crl->this_update) { /* -1: no time */
        return report(err, NK_E_TRUST,
                      "has a nextUpdate that is no time after thisUpdate: get it again");
    }
    return NK_OK;
}

/* --- its kind --- */

/* A list with a critical extension that its reader does not know must not be used: RFC 5280 5.2. */
static nk_status check_critical(const X509_CRL *list, nk_error *err)
{
    for (int i = 0; i < X509_CRL_get_ext_count(list); i++) {
        char oid[OID_BYTES];
        X509_EXTENSION *extension = (X509_EXTENSION *)X509_CRL_get_ext(list, i); /* const in 4.0 */
        int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
        if (X509_EXTENSION_get_critical(extension) != 0 && nid != NID_issuing_distribution_point &&
            nid != NID_authority_key_identifier) {
            OBJ_obj2txt(oid, sizeof(oid), X509_EXTENSION_get_object(extension), 1);
            return report(err, NK_E_TRUST,
                          "has the critical extension %s, which nodekey does not know: have the CA "
                          "issue it without",
                          oid);
        }
    }
    return NK_OK;
}

static bool knows_entries(X509_CRL *list)
{
    STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(list);

    for (int i = 0; i < sk_X509_REVOKED_num(entries); i++) {
        const X509_REVOKED *entry = sk_X509_REVOKED_value(entries, i);
        for (int j = 0; j < X509_REVOKED_get_ext_count(entry); j++) {
            if (X509_EXTENSION_get_critical(X509_REVOKED_get_ext(entry, j)) != 0) {
                return false;
            }
        }
    }
    return true;
}

/* A list that revokes is heard, whatever it lacks. What an entry with an unknown critical extension
 * means is not known (RFC 5280 5.3), so that such a list clears nobody. */
static void find_gap(struct crl *crl)
{
    crl->unreadable = !knows_entries(crl->list);
    crl->gap = crl->unreadable ? "has an entry with a critical extension that nodekey does not know"
                               : crl_scope_gap(crl->scope);
}

static nk_status check_kind(struct crl *crl, nk_error *err)
{
    X509_CRL *list = crl->list;

    if (X509_CRL_get_ext_count(list) > 0 && X509_CRL_get_version(list) != X509_CRL_VERSION_2) {
        return report(err, NK_E_TRUST,
                      "has extensions, but is not of version 2: have the CA issue it again");
    }
    if (X509_CRL_get_ext_by_NID(list, NID_delta_crl, -1) >= 0) {
        return report(err, NK_E_TRUST,
                      "is a delta CRL, which tells changes only: give the complete CRL");
    }
    nk_status status = crl_scope_read(list, &crl->scope, err);
    return status == NK_OK ? check_critical(list, err) : status;
}

static nk_status check_signature_kind(const X509_CRL *list, nk_error *err)
{
    const X509_ALGOR *algorithm = NULL;
    char problem[PROBLEM_BYTES];

    X509_CRL_get0_signature(list, NULL, &algorithm);
    bool good = key_limits_algorithm(algorithm, problem, sizeof(problem)) == ALGORITHM_GOOD;
    ERR_clear_error();
    return good ? NK_OK : report(err, NK_E_TRUST, "is %s: have the CA sign with SHA-256", problem);
}

/* --- its place among others --- */

static nk_status read_number(const X509_CRL *list, struct crl_order *order, nk_error *err)
{
    int critical = 0;
    AUTO(ASN1_INTEGER_free)
    ASN1_INTEGER *number = X509_CRL_get_ext_d2i(list, NID_crl_number, &critical, NULL);

    if (number == NULL && critical == -1) { /* absent: thisUpdate orders it */
        return NK_OK;
    }
    int len = number != NULL ? ASN1_STRING_length(number) : 0;
    if (len <= 0 || len > CRL_NUMBER_BYTES || ASN1_STRING_type(number) == V_ASN1_NEG_INTEGER) {
        ERR_clear_error();
        return report(err, NK_E_TRUST,
                      "has a crlNumber that is negative, longer than %d bytes, unreadable or there "
                      "twice: have the CA issue it again",
                      CRL_NUMBER_BYTES);
    }
    memcpy(order->number + CRL_NUMBER_BYTES - len, ASN1_STRING_get0_data(number), (size_t)len);
    order->numbered = true;
    return NK_OK;
}

static bool hash_parts(const ASN1_OCTET_STRING *const *parts, const X509_NAME *issuer,
                       uint8_t key[CRL_KEY_BYTES])
{
    AUTO(EVP_MD_CTX_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const unsigned char *der = NULL;
    size_t der_len = 0;

    if (ctx == NULL || X509_NAME_get0_der(issuer, &der, &der_len) != 1 ||
        EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1 ||
        EVP_DigestUpdate(ctx, &der_len, sizeof(der_len)) != 1 ||
        EVP_DigestUpdate(ctx, der, der_len) != 1) {
        return false;
    }
    for (size_t i = 0; i < 2; i++) {
        /* The length goes first, so that no two kinds are the same bytes; -1: absent. */
        int64_t len = parts[i] != NULL ? ASN1_STRING_length(parts[i]) : -1;
        if (EVP_DigestUpdate(ctx, &len, sizeof(len)) != 1 ||
            (len > 0 && EVP_DigestUpdate(ctx, ASN1_STRING_get0_data(parts[i]), (size_t)len) != 1)) {
            return false;
        }
    }
    return EVP_DigestFinal_ex(ctx, key, NULL) == 1;
}

/* The key identifier tells the lists of two CAs of one name apart, the distribution point the parts
 * of one CA's. */
static nk_status read_key(const X509_CRL *list, struct crl_order *order, nk_error *err)
{
    int critical = 0;
    AUTO(AUTHORITY_KEYID_free)
    AUTHORITY_KEYID *authority =
        X509_CRL_get_ext_d2i(list, NID_authority_key_identifier, &critical, NULL);
    if (authority == NULL && critical != -1) {
        ERR_clear_error();
        return report(err, NK_E_TRUST,
                      "has an authorityKeyIdentifier that cannot be read, or two: get it again");
    }
    int i = X509_CRL_get_ext_by_NID(list, NID_issuing_distribution_point, -1);
    const ASN1_OCTET_STRING *parts[2] = {
        authority != NULL ? authority->keyid : NULL,
        i >= 0 ? X509_EXTENSION_get_data(X509_CRL_get_ext(list, i)) : NULL,
    };
    return hash_parts(parts, X509_CRL_get_issuer(list), order->key)
               ? NK_OK
               : report_openssl(err, NK_E_NOMEM, "hash a CRL's issuer");
}

/* --- the whole --- */

/* OpenSSL sorts the entries at the first search: let that be here, before threads share them. */
static nk_status sort_entries(X509_CRL *list, nk_error *err)
{
    X509_REVOKED *entry = NULL;
    AUTO(ASN1_INTEGER_free) ASN1_INTEGER *any = ASN1_INTEGER_new();

    if (any == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    (void)X509_CRL_get0_by_serial(list, &entry, any);
    return NK_OK;
}

nk_status crl_check(struct crl *crl, struct crl_order *order, nk_error *err)
{
    nk_status status = read_times(crl, err);
    if (status == NK_OK) {
        status = check_kind(crl, err);
    }
    if (status == NK_OK) {
        status = read_number(crl->list, order, err);
    }
    if (status == NK_OK) {
        status = check_signature_kind(crl->list, err);
    }
    if (status == NK_OK) {
        status = read_key(crl->list, order, err);
    }
    order->this_update = crl->this_update;
    crl->numbered = order->numbered;
    find_gap(crl);
    return status == NK_OK ? sort_entries(crl->list, err) : status;
}

bool crl_copy(const struct crl *crl, struct crl *ret_copy)
{
    *ret_copy = *crl;
    ret_copy->scope = NULL;
    X509_CRL_up_ref(crl->list);
    return crl_scope_read(crl->list, &ret_copy->scope, NULL) == NK_OK;
}

void crl_clear(struct crl *crl)
{
    X509_CRL_free(crl->list);
    ISSUING_DIST_POINT_free(crl->scope);
    *crl = (struct crl){ .list = NULL };
}
