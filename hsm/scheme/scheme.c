/* SPDX-License-Identifier: Apache-2.0 */
#include "scheme/scheme.h"

#include <string.h>

#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "scheme/pss.h"

#define ORDER_MAX_BYTES 66 /* P-521 */

DEFINE_AUTO(X509_SIG *, X509_SIG_free);
DEFINE_AUTO(EVP_PKEY_CTX *, EVP_PKEY_CTX_free);
DEFINE_AUTO(EVP_MD_CTX *, EVP_MD_CTX_free);

static const struct digest_row {
    int nid;
    size_t len;
    CK_MECHANISM_TYPE hash;
    CK_RSA_PKCS_MGF_TYPE mgf;
    CK_MECHANISM_TYPE pss, pkcs1, ecdsa; /* that hash, too */
} digest_rows[] = {
    { NID_sha256, 32, CKM_SHA256, CKG_MGF1_SHA256, CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256_RSA_PKCS,
      CKM_ECDSA_SHA256 },
    { NID_sha384, 48, CKM_SHA384, CKG_MGF1_SHA384, CKM_SHA384_RSA_PKCS_PSS, CKM_SHA384_RSA_PKCS,
      CKM_ECDSA_SHA384 },
    { NID_sha512, 64, CKM_SHA512, CKG_MGF1_SHA512, CKM_SHA512_RSA_PKCS_PSS, CKM_SHA512_RSA_PKCS,
      CKM_ECDSA_SHA512 },
};

static const struct digest_row *find_digest(int nid)
{
    for (size_t i = 0; i < ARRAY_LEN(digest_rows); i++) {
        if (digest_rows[i].nid == nid) {
            return &digest_rows[i];
        }
    }
    return NULL;
}

static bool hashing_mechanism(const struct key_kind *kind, const struct scheme *scheme,
                              CK_MECHANISM_TYPE *ret_mechanism)
{
    const struct digest_row *row = find_digest(scheme->digest_nid);

    if (row == NULL || kind->form == KEY_EDDSA) {
        return false;
    }
    *ret_mechanism = kind->form == KEY_ECDSA                    ? row->ecdsa
                     : scheme->padding == RSA_PKCS1_PSS_PADDING ? row->pss
                                                                : row->pkcs1;
    return true;
}

bool scheme_mechanism(const struct key_kind *kind, const struct scheme *scheme, enum scheme_way way,
                      CK_MECHANISM_TYPE *ret_mechanism)
{
    bool pss = kind->form == KEY_RSA && scheme->padding == RSA_PKCS1_PSS_PADDING;

    switch (way) {
    case SCHEME_DIGEST:
        *ret_mechanism = pss                     ? CKM_RSA_PKCS_PSS
                         : kind->form == KEY_RSA ? CKM_RSA_PKCS
                                                 : kind->needs[0].mechanism;
        return true;
    case SCHEME_BLOCK:
        *ret_mechanism = CKM_RSA_X_509;
        return pss;
    case SCHEME_MESSAGE:
        return hashing_mechanism(kind, scheme, ret_mechanism);
    case SCHEME_NO_WAY:
        break;
    }
    return false;
}

static bool set_pss_parameters(const struct scheme *scheme, struct to_sign *out)
{
    const struct digest_row *row = find_digest(scheme->digest_nid);

    if (row == NULL) {
        return false;
    }
    out->pss = (CK_RSA_PKCS_PSS_PARAMS){ row->hash, row->mgf, scheme->salt_len };
    out->mechanism.pParameter = &out->pss;
    out->mechanism.ulParameterLen = sizeof(out->pss);
    return true;
}

/* RFC 8017 section 9.2: the token pads, the DigestInfo is ours. */
static bool put_digest_info(const struct scheme *scheme, const unsigned char *digest, size_t len,
                            struct to_sign *out)
{
    AUTO(X509_SIG_free) X509_SIG *info = X509_SIG_new();
    X509_ALGOR *algorithm = NULL;
    ASN1_OCTET_STRING *value = NULL;
    if (info == NULL) {
        return false;
    }
    X509_SIG_getm(info, &algorithm, &value);
    if (X509_ALGOR_set0(algorithm, OBJ_nid2obj(scheme->digest_nid), V_ASN1_NULL, NULL) != 1 ||
        ASN1_OCTET_STRING_set(value, digest, (int)len) != 1) {
        return false;
    }
    unsigned char *at = out->block;
    int needed = i2d_X509_SIG(info, NULL);
    if (needed <= 0 || (size_t)needed > sizeof(out->block)) {
        return false;
    }
    out->len = (size_t)i2d_X509_SIG(info, &at);
    out->input = out->block;
    return true;
}

static bool put_pss_block(EVP_PKEY *public_key, const struct scheme *scheme,
                          const unsigned char *digest, struct to_sign *out)
{
    size_t bits = (size_t)EVP_PKEY_get_bits(public_key);

    out->input = out->block;
    out->len = (bits + 7) / 8;
    return pss_encode(EVP_get_digestbynid(scheme->digest_nid), digest, scheme->salt_len, bits,
                      out->block, sizeof(out->block));
}

/* RSA with a digest, by padding and way. */
static bool prepare_rsa(EVP_PKEY *public_key, const struct scheme *scheme, enum scheme_way way,
                        const unsigned char *digest, size_t len, struct to_sign *out)
{
    const struct digest_row *row = find_digest(scheme->digest_nid);

    if (scheme->padding == RSA_PKCS1_PSS_PADDING) {
        return row != NULL && row->len == len &&
               (way == SCHEME_BLOCK ? put_pss_block(public_key, scheme, digest, out)
                                    : set_pss_parameters(scheme, out));
    }
    return scheme->padding == RSA_PKCS1_PADDING && len <= 64 &&
           (scheme->digest_nid == NID_undef || put_digest_info(scheme, digest, len, out));
}

bool scheme_prepare(const struct key_kind *kind, EVP_PKEY *public_key, const struct scheme *scheme,
                    enum scheme_way way, const unsigned char *input, size_t len,
                    struct to_sign *ret_to_sign)
{
    size_t order_len = ((size_t)kind->bits_max + 7) / 8;

    ret_to_sign->mechanism = (CK_MECHANISM){ .mechanism = 0 };
    if (!scheme_mechanism(kind, scheme, way, &ret_to_sign->mechanism.mechanism)) {
        return false;
    }
    ret_to_sign->input = input;
    ret_to_sign->len = len;
    if (way == SCHEME_MESSAGE) {
        return scheme->padding != RSA_PKCS1_PSS_PADDING || set_pss_parameters(scheme, ret_to_sign);
    }
    if (kind->form == KEY_ECDSA && len > order_len) {
        ret_to_sign->len = order_len;
    }
    return kind->form != KEY_RSA || prepare_rsa(public_key, scheme, way, input, len, ret_to_sign);
}

size_t scheme_raw_len(const struct key_kind *kind, const EVP_PKEY *public_key)
{
    size_t bits = (size_t)EVP_PKEY_get_bits(public_key);

    switch (kind->form) {
    case KEY_ECDSA:
        return 2 * ((bits + 7) / 8);
    case KEY_RSA:
        return (bits + 7) / 8;
    case KEY_EDDSA:
        break;
    }
    return (size_t)EVP_PKEY_get_size(public_key);
}

/* X.690 section 8.3: the shortest of its forms, and positive. */
static size_t put_integer(unsigned char *out, const unsigned char *bytes, size_t len)
{
    while (len > 1 && bytes[0] == 0) {
        bytes++;
        len--;
    }
    size_t sign = bytes[0] >= 0x80 ? 1 : 0;
    out[0] = V_ASN1_INTEGER;
    out[1] = (unsigned char)(len + sign);
    out[2] = 0;
    memcpy(out + 2 + sign, bytes, len);
    return 2 + sign + len;
}

/* ECDSA-Sig-Value of RFC 3279 section 2.2.3. By hand: two BIGNUMs and i2d_ECDSA_SIG take 2% of a
 * P-256 signature on SoftHSM. */
static bool ecdsa_to_der(const unsigned char *raw, size_t raw_len, unsigned char *signature,
                         size_t room, size_t *ret_len)
{
    unsigned char numbers[2 * (3 + ORDER_MAX_BYTES)];
    size_t half = raw_len / 2;

    if (raw_len % 2 != 0 || half == 0 || half > ORDER_MAX_BYTES) {
        return false;
    }
    size_t len = put_integer(numbers, raw, half);
    len += put_integer(numbers + len, raw + half, half);
    size_t head = len < 0x80 ? 2 : 3; /* X.690 section 8.1.3: at most 138 bytes follow */
    if (head + len > room) {
        return false;
    }
    signature[0] = V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED;
    signature[1] = 0x81;
    signature[head - 1] = (unsigned char)len;
    memcpy(signature + head, numbers, len);
    *ret_len = head + len;
    return true;
}

bool scheme_finish(const struct key_kind *kind, const unsigned char *raw, size_t raw_len,
                   unsigned char *signature, size_t room, size_t *ret_len)
{
    if (kind->form == KEY_ECDSA) {
        return ecdsa_to_der(raw, raw_len, signature, room, ret_len);
    }
    if (raw_len > room) {
        return false;
    }
    memcpy(signature, raw, raw_len);
    *ret_len = raw_len;
    return true;
}

static bool verifies_message(EVP_PKEY *public_key, const unsigned char *input, size_t len,
                             const unsigned char *signature, size_t signature_len)
{
    AUTO(EVP_MD_CTX_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    return ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, public_key) == 1 &&
           EVP_DigestVerify(ctx, signature, signature_len, input, len) == 1;
}

bool scheme_verifies(EVP_PKEY *public_key, const struct scheme *scheme, const unsigned char *input,
                     size_t len, const unsigned char *signature, size_t signature_len)
{
    if (scheme->digest_nid == NID_undef) {
        return verifies_message(public_key, input, len, signature, signature_len);
    }
    AUTO(EVP_PKEY_CTX_free) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(public_key, NULL);
    if (ctx == NULL || EVP_PKEY_verify_init(ctx) != 1 ||
        EVP_PKEY_CTX_set_signature_md(ctx, EVP_get_digestbynid(scheme->digest_nid)) != 1) {
        return false;
    }
    if (scheme->padding != 0 && EVP_PKEY_CTX_set_rsa_padding(ctx, scheme->padding) != 1) {
        return false;
    }
    if (scheme->padding == RSA_PKCS1_PSS_PADDING &&
        EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, (int)scheme->salt_len) != 1) {
        return false;
    }
    return EVP_PKEY_verify(ctx, signature, signature_len, input, len) == 1;
}
