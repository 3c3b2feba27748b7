/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/reference.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/asn1t.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/report.h"

#define REFERENCE_VERSION 1

typedef struct reference_st {
    int32_t version;
    ASN1_OCTET_STRING *handle;
    ASN1_OCTET_STRING *public_key;
} REFERENCE;

DECLARE_ASN1_FUNCTIONS(REFERENCE)
ASN1_SEQUENCE(REFERENCE) = {
    ASN1_EMBED(REFERENCE, version, INT32),
    ASN1_SIMPLE(REFERENCE, handle, ASN1_OCTET_STRING),
    ASN1_SIMPLE(REFERENCE, public_key, ASN1_OCTET_STRING),
} ASN1_SEQUENCE_END(REFERENCE)
IMPLEMENT_ASN1_FUNCTIONS(REFERENCE)

DEFINE_AUTO(REFERENCE *, REFERENCE_free);
DEFINE_AUTO(BIO *, BIO_free_all);

static void openssl_free(unsigned char *bytes)
{
    OPENSSL_free(bytes);
}
typedef unsigned char *bytes_ptr;
DEFINE_AUTO(bytes_ptr, openssl_free);

/* References are told by their first bytes: parsing an ordinary private key would leave parts of
 * it on the heap. */
static bool looks_like_reference(const unsigned char *der, size_t len)
{
    static const unsigned char start[] = { V_ASN1_INTEGER, 1, REFERENCE_VERSION,
                                           V_ASN1_OCTET_STRING, KEY_HANDLE_BYTES };
    const unsigned char *at = der;
    long body_len = 0;
    int tag = 0;
    int tag_class = 0;

    return ASN1_get_object(&at, &body_len, &tag, &tag_class, (long)len) == V_ASN1_CONSTRUCTED &&
           tag == V_ASN1_SEQUENCE && body_len > (long)sizeof(start) &&
           memcmp(at, start, sizeof(start)) == 0;
}

/* A reference whose public key was exchanged is not ours, though its handle is. Digests are
 * compared: encoding our key costs OpenSSL 3.0 more than a signature by P-256, and every channel
 * loads the key. */
static bool carries_key(const REFERENCE *reference, const struct hsm_key *key)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];

    return EVP_Digest(ASN1_STRING_get0_data(reference->public_key),
                      (size_t)ASN1_STRING_length(reference->public_key), digest, NULL, EVP_sha256(),
                      NULL) == 1 &&
           memcmp(digest, key->spki_sha256, sizeof(digest)) == 0;
}

enum reference_answer reference_resolve(const unsigned char *der, size_t len,
                                        struct hsm_key **ret_key)
{
    const unsigned char *at = der;
    if (!looks_like_reference(der, len)) {
        return REFERENCE_FOREIGN;
    }
    AUTO(REFERENCE_free) REFERENCE *reference = d2i_REFERENCE(NULL, &at, (long)len);
    if (reference == NULL) {
        return REFERENCE_FOREIGN;
    }
    if (at != der + len || reference->version != REFERENCE_VERSION ||
        ASN1_STRING_length(reference->handle) != KEY_HANDLE_BYTES) {
        return REFERENCE_UNKNOWN;
    }
    struct hsm_key *key = key_by_handle(ASN1_STRING_get0_data(reference->handle));
    if (key == NULL) {
        return REFERENCE_UNKNOWN;
    }
    if (!carries_key(reference, key)) {
        hsm_key_unref(key);
        return REFERENCE_UNKNOWN;
    }
    *ret_key = key;
    return REFERENCE_FOUND;
}

static nk_status fill_reference(REFERENCE *reference, const struct hsm_key *key, nk_error *err)
{
    AUTO(openssl_free) bytes_ptr spki = NULL;
    int spki_len = i2d_PUBKEY(key->public_key, &spki);

    reference->version = REFERENCE_VERSION;
    if (spki_len <= 0 ||
        ASN1_OCTET_STRING_set(reference->handle, key->handle, KEY_HANDLE_BYTES) != 1 ||
        ASN1_OCTET_STRING_set(reference->public_key, spki, spki_len) != 1) {
        return report_openssl(err, NK_E_INTERNAL, "encode a key reference");
    }
    return NK_OK;
}

nk_status hsm_key_reference(const struct hsm_key *key, char **ret_pem, nk_error *err)
{
    AUTO(REFERENCE_free) REFERENCE *reference = REFERENCE_new();
    AUTO(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
    AUTO(openssl_free) bytes_ptr der = NULL;
    if (reference == NULL || bio == NULL) {
        return report_openssl(err, NK_E_NOMEM, "encode a key reference");
    }
    nk_status status = fill_reference(reference, key, err);
    if (status != NK_OK) {
        return status;
    }
    int der_len = i2d_REFERENCE(reference, &der);
    char *text = NULL;
    if (der_len <= 0 || PEM_write_bio(bio, REFERENCE_PEM_LABEL, "", der, der_len) <= 0) {
        return report_openssl(err, NK_E_INTERNAL, "encode a key reference");
    }
    long text_len = BIO_get_mem_data(bio, &text);
    char *pem = strndup(text, (size_t)text_len);
    if (pem == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    *ret_pem = pem;
    return NK_OK;
}

nk_status hsm_key_reference_inbound(const struct hsm_key *key, char **ret_pem, nk_error *err)
{
    return hsm_key_reference(key->inbound_key, ret_pem, err);
}
