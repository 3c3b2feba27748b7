/* SPDX-License-Identifier: Apache-2.0
 * What one list says of itself, and who signed it. */
#include "trust/crl_list.h"

#include <stdio.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "base/report.h"
#include "base/text.h"

#define DIGEST_BYTES_MIN 28 /* SHA-224: 112 bits against collisions */
#define OID_BYTES 80

DEFINE_AUTO(ASN1_INTEGER *, ASN1_INTEGER_free);
DEFINE_AUTO(AUTHORITY_KEYID *, AUTHORITY_KEYID_free);
DEFINE_AUTO(RSA_PSS_PARAMS *, RSA_PSS_PARAMS_free);
DEFINE_AUTO(EVP_MD_CTX *, EVP_MD_CTX_free);
DEFINE_AUTO(BIGNUM *, BN_free);

/* --- what a list says of itself --- */

static nk_status read_times(struct crl_list *list, nk_error *err)
{
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(list->crl);

    list->order.this_update = text_read_time(X509_CRL_get0_lastUpdate(list->crl));
    if (list->order.this_update == -1) {
        return report(err, NK_E_TRUST, "has a thisUpdate that is no time: get it again");
    }
    if (list->order.this_update > time(NULL)) {
        return report(err, NK_E_TRUST, "is from the future (thisUpdate): check this clock");
    }
    if (next == NULL) {
        return report(err, NK_E_TRUST,
                      "has no nextUpdate, so nobody could tell when it is stale: RFC 5280 wants "
                      "the CA to set one");
    }
    list->next_update = text_read_time(next);
    if (list->next_update == -1 || list->next_update <= list->order.this_update) {
        return report(err, NK_E_TRUST,
                      "has a nextUpdate that is no time after thisUpdate: get it again");
    }
    return NK_OK;
}

/* OpenSSL would refuse every path over these, without a word of why. */
static nk_status check_critical(const X509_CRL *crl, nk_error *err)
{
    for (int i = 0; i < X509_CRL_get_ext_count(crl); i++) {
        X509_EXTENSION *extension = X509_CRL_get_ext(crl, i);
        int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
        if (X509_EXTENSION_get_critical(extension) != 0 && nid != NID_issuing_distribution_point &&
            nid != NID_authority_key_identifier) {
            char oid[OID_BYTES];
            OBJ_obj2txt(oid, sizeof(oid), X509_EXTENSION_get_object(extension), 1);
            return report(err, NK_E_TRUST,
                          "has the critical extension %s, which nodekey does not know: have the CA "
                          "issue it without",
                          oid);
        }
    }
    return NK_OK;
}

static nk_status check_kind(const X509_CRL *crl, nk_error *err)
{
    if (X509_CRL_get_ext_count(crl) > 0 && X509_CRL_get_version(crl) != X509_CRL_VERSION_2) {
        return report(err, NK_E_TRUST,
                      "has extensions, but is not of version 2: have the CA issue it again");
    }
    if (X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0) {
        return report(err, NK_E_TRUST,
                      "is a delta CRL, which tells changes only: give the complete CRL");
    }
    int critical = 0;
    ISSUING_DIST_POINT *point =
        X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, &critical, NULL);
    if (point == NULL && critical != -1) { /* -1: absent */
        ERR_clear_error();
        return report(err, NK_E_TRUST,
                      "has an issuingDistributionPoint that cannot be read, or two: get it again");
    }
    ISSUING_DIST_POINT_free(point);
    return check_critical(crl, err);
}

static nk_status read_number(struct crl_list *list, nk_error *err)
{
    int critical = 0;
    AUTO(ASN1_INTEGER_free)
    ASN1_INTEGER *number = X509_CRL_get_ext_d2i(list->crl, NID_crl_number, &critical, NULL);

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
    memcpy(list->order.number + CRL_NUMBER_BYTES - len, ASN1_STRING_get0_data(number), (size_t)len);
    list->order.numbered = true;
    return NK_OK;
}

static int hash_nid(const X509_CRL *crl)
{
    const X509_ALGOR *algorithm = NULL;
    const ASN1_OBJECT *name = NULL;
    int type = 0;
    const void *parameter = NULL;
    int digest = NID_undef;

    X509_CRL_get0_signature(crl, NULL, &algorithm);
    X509_ALGOR_get0(&name, &type, &parameter, algorithm);
    if (OBJ_obj2nid(name) != NID_rsassaPss) {
        (void)OBJ_find_sigid_algs(OBJ_obj2nid(name), &digest, NULL);
        return digest;
    }
    AUTO(RSA_PSS_PARAMS_free)
    RSA_PSS_PARAMS *pss = type == V_ASN1_SEQUENCE
                              ? ASN1_item_unpack(parameter, ASN1_ITEM_rptr(RSA_PSS_PARAMS))
                              : NULL;
    if (pss == NULL || pss->hashAlgorithm == NULL) {
        return NID_sha1; /* RFC 4055's default */
    }
    X509_ALGOR_get0(&name, NULL, NULL, pss->hashAlgorithm);
    return OBJ_obj2nid(name);
}

static nk_status check_hash(const X509_CRL *crl, nk_error *err)
{
    int nid = hash_nid(crl);
    const EVP_MD *digest = EVP_get_digestbynid(nid);

    ERR_clear_error();
    if (digest != NULL && EVP_MD_get_size(digest) < DIGEST_BYTES_MIN) {
        return report(err, NK_E_TRUST,
                      "is signed over %s, which can be forged: have the CA sign with SHA-256",
                      OBJ_nid2sn(nid));
    }
    return NK_OK; /* a scheme with no digest of its own, or one that no key verifies */
}

/* --- its kind --- */

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
        /* With its length, so that no two kinds are the same bytes; -1: absent. */
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
static nk_status read_key(struct crl_list *list, nk_error *err)
{
    int critical = 0;
    AUTO(AUTHORITY_KEYID_free)
    AUTHORITY_KEYID *authority =
        X509_CRL_get_ext_d2i(list->crl, NID_authority_key_identifier, &critical, NULL);
    if (authority == NULL && critical != -1) {
        ERR_clear_error();
        return report(err, NK_E_TRUST,
                      "has an authorityKeyIdentifier that cannot be read, or two: get it again");
    }
    int i = X509_CRL_get_ext_by_NID(list->crl, NID_issuing_distribution_point, -1);
    const ASN1_OCTET_STRING *parts[2] = {
        authority != NULL ? authority->keyid : NULL,
        i >= 0 ? X509_EXTENSION_get_data(X509_CRL_get_ext(list->crl, i)) : NULL,
    };
    return hash_parts(parts, X509_CRL_get_issuer(list->crl), list->order.key)
               ? NK_OK
               : report_openssl(err, NK_E_NOMEM, "hash a CRL's issuer");
}

nk_status crl_list_examine(struct crl_list *list, nk_error *err)
{
    nk_status status = read_times(list, err);
    if (status == NK_OK) {
        status = check_kind(list->crl, err);
    }
    if (status == NK_OK) {
        status = read_number(list, err);
    }
    if (status == NK_OK) {
        status = check_hash(list->crl, err);
    }
    return status == NK_OK ? read_key(list, err) : status;
}

/* --- its signature --- */

/* The issuers that it may be from: of its name, and with the key that it names if it names one. */
static bool may_be_from(const struct crl_list *list, X509 *issuer)
{
    if (X509_NAME_cmp(X509_get_subject_name(issuer), X509_CRL_get_issuer(list->crl)) != 0) {
        return false;
    }
    AUTO(AUTHORITY_KEYID_free)
    AUTHORITY_KEYID *authority =
        X509_CRL_get_ext_d2i(list->crl, NID_authority_key_identifier, NULL, NULL);
    return X509_check_akid(issuer, authority) == X509_V_OK;
}

enum crl_proof crl_list_prove(const struct crl_list *list, STACK_OF(X509) *issuers)
{
    enum crl_proof proof = CRL_ISSUER_UNKNOWN;

    for (int i = 0; i < sk_X509_num(issuers) && proof != CRL_PROVEN; i++) {
        X509 *issuer = sk_X509_value(issuers, i);
        EVP_PKEY *key = X509_get0_pubkey(issuer);
        if (!may_be_from(list, issuer)) {
            continue;
        }
        if (key == NULL || X509_CRL_verify(list->crl, key) != 1) {
            proof = proof == CRL_ISSUER_UNKNOWN ? CRL_FORGED : proof;
        } else if ((X509_get_key_usage(issuer) & KU_CRL_SIGN) == 0) { /* absent: all bits set */
            proof = CRL_ISSUER_MAY_NOT;
        } else {
            proof = CRL_PROVEN;
        }
    }
    ERR_clear_error();
    return proof;
}

void crl_list_number(const struct crl_list *list, char *text, size_t room)
{
    AUTO(BN_free) BIGNUM *number = BN_bin2bn(list->order.number, CRL_NUMBER_BYTES, NULL);
    char *decimal = list->order.numbered && number != NULL ? BN_bn2dec(number) : NULL;
    snprintf(text, room, "%s", decimal != NULL ? decimal : "none");
    OPENSSL_free(decimal);
}
