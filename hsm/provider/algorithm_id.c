/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/algorithm_id.h"

#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#define SHA1_BYTES 20

DEFINE_AUTO(X509_ALGOR *, X509_ALGOR_free);
DEFINE_AUTO(RSA_PSS_PARAMS *, RSA_PSS_PARAMS_free);
DEFINE_AUTO(ASN1_STRING *, ASN1_STRING_free);

/* `algorithm` with these parameters. */
static bool wrap_parameters(X509_ALGOR *algorithm, int nid, const ASN1_ITEM *item, void *parameters)
{
    AUTO(ASN1_STRING_free) ASN1_STRING *packed = ASN1_item_pack(parameters, item, NULL);
    if (packed == NULL ||
        X509_ALGOR_set0(algorithm, OBJ_nid2obj(nid), V_ASN1_SEQUENCE, packed) != 1) {
        return false;
    }
    packed = NULL;
    return true;
}

static X509_ALGOR *hash_algorithm(int digest_nid)
{
    X509_ALGOR *hash = X509_ALGOR_new();
    if (hash != NULL && X509_ALGOR_set0(hash, OBJ_nid2obj(digest_nid), V_ASN1_NULL, NULL) != 1) {
        X509_ALGOR_free(hash);
        return NULL;
    }
    return hash;
}

/* MGF1 with the same hash; no scheme of ours has SHA-1, which DER would have to leave out. */
static bool fill_pss(X509_ALGOR *algorithm, const struct scheme *scheme)
{
    AUTO(RSA_PSS_PARAMS_free) RSA_PSS_PARAMS *pss = RSA_PSS_PARAMS_new();
    AUTO(X509_ALGOR_free) X509_ALGOR *hash = hash_algorithm(scheme->digest_nid);
    if (pss == NULL || hash == NULL) {
        return false;
    }
    pss->hashAlgorithm = hash_algorithm(scheme->digest_nid);
    pss->maskGenAlgorithm = X509_ALGOR_new();
    if (pss->hashAlgorithm == NULL || pss->maskGenAlgorithm == NULL ||
        !wrap_parameters(pss->maskGenAlgorithm, NID_mgf1, ASN1_ITEM_rptr(X509_ALGOR), hash)) {
        return false;
    }
    if (scheme->salt_len != SHA1_BYTES) { /* RFC 4055's default, likewise left out */
        pss->saltLength = ASN1_INTEGER_new();
        if (pss->saltLength == NULL ||
            ASN1_INTEGER_set_uint64(pss->saltLength, scheme->salt_len) != 1) {
            return false;
        }
    }
    return wrap_parameters(algorithm, NID_rsassaPss, ASN1_ITEM_rptr(RSA_PSS_PARAMS), pss);
}

static bool fill_algorithm(X509_ALGOR *algorithm, const struct key_kind *kind,
                           const struct scheme *scheme)
{
    int nid = kind->nid;
    int parameters = V_ASN1_UNDEF;

    switch (kind->form) {
    case KEY_RSA:
        if (scheme->padding == RSA_PKCS1_PSS_PADDING) {
            return fill_pss(algorithm, scheme);
        }
        parameters = V_ASN1_NULL;
        if (OBJ_find_sigid_by_algs(&nid, scheme->digest_nid, EVP_PKEY_RSA) != 1) {
            return false;
        }
        break;
    case KEY_ECDSA:
        if (OBJ_find_sigid_by_algs(&nid, scheme->digest_nid, EVP_PKEY_EC) != 1) {
            return false;
        }
        break;
    case KEY_EDDSA: /* RFC 8410: named by the curve alone */
        break;
    }
    return X509_ALGOR_set0(algorithm, OBJ_nid2obj(nid), parameters, NULL) == 1;
}

int algorithm_id(const struct key_kind *kind, const struct scheme *scheme, unsigned char **ret_der)
{
    AUTO(X509_ALGOR_free) X509_ALGOR *algorithm = X509_ALGOR_new();
    unsigned char *der = NULL;

    if (algorithm == NULL || !fill_algorithm(algorithm, kind, scheme)) {
        return 0;
    }
    int len = i2d_X509_ALGOR(algorithm, &der);
    if (len <= 0) {
        return 0;
    }
    *ret_der = der;
    return len;
}
