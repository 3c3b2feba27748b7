/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/crl_proof.h"

#include <stdbool.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

DEFINE_AUTO(AUTHORITY_KEYID *, AUTHORITY_KEYID_free);

/* An issuer of the list's name, and with the key that the list names if it names one. */
static bool may_be_from(X509_CRL *list, X509 *issuer)
{
    if (X509_NAME_cmp(X509_get_subject_name(issuer), X509_CRL_get_issuer(list)) != 0) {
        return false;
    }
    AUTO(AUTHORITY_KEYID_free)
    AUTHORITY_KEYID *authority =
        X509_CRL_get_ext_d2i(list, NID_authority_key_identifier, NULL, NULL);
    return X509_check_akid(issuer, authority) == X509_V_OK;
}

enum crl_proof crl_prove(X509_CRL *list, STACK_OF(X509) *issuers)
{
    enum crl_proof proof = CRL_ISSUER_UNKNOWN;

    for (int i = 0; i < sk_X509_num(issuers) && proof != CRL_PROVEN; i++) {
        X509 *issuer = sk_X509_value(issuers, i);
        EVP_PKEY *key = X509_get0_pubkey(issuer);
        if (!may_be_from(list, issuer)) {
            continue;
        }
        if (key == NULL || X509_CRL_verify(list, key) != 1) {
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
