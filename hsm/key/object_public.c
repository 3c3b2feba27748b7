/* SPDX-License-Identifier: Apache-2.0 */
#include "key/object_public.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>

#include "key/object.h"
#include "module/ckr.h"
#include "scheme/key_kinds.h"

#define BASICS "provider=default"

DEFINE_AUTO(BIGNUM *, BN_free);
DEFINE_AUTO(OSSL_PARAM_BLD *, OSSL_PARAM_BLD_free);
DEFINE_AUTO(OSSL_PARAM *, OSSL_PARAM_free);
DEFINE_AUTO(EVP_PKEY_CTX *, EVP_PKEY_CTX_free);
DEFINE_AUTO(ASN1_OCTET_STRING *, ASN1_OCTET_STRING_free);
DEFINE_AUTO(ASN1_OBJECT *, ASN1_OBJECT_free);
DEFINE_AUTO(X509 *, X509_free);
DEFINE_AUTO(EVP_PKEY *, EVP_PKEY_free);

static EVP_PKEY *key_from_params(const char *type, OSSL_PARAM_BLD *builder)
{
    EVP_PKEY *key = NULL;
    AUTO(OSSL_PARAM_free) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    AUTO(EVP_PKEY_CTX_free) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, BASICS);

    if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        return NULL;
    }
    return key;
}

static CK_RV read_rsa(const struct cryptoki *call, CK_SESSION_HANDLE session,
                      CK_OBJECT_HANDLE object, EVP_PKEY **ret_key)
{
    unsigned char n[OBJECT_FIELD_BYTES];
    unsigned char e[OBJECT_FIELD_BYTES];
    CK_ULONG n_len = 0;
    CK_ULONG e_len = 0;

    CK_RV rv = cryptoki_get_attribute(call, session, object, CKA_MODULUS, n, sizeof(n), &n_len);
    if (rv == CKR_OK) {
        rv = cryptoki_get_attribute(call, session, object, CKA_PUBLIC_EXPONENT, e, sizeof(e),
                                    &e_len);
    }
    if (rv != CKR_OK) {
        return rv;
    }
    AUTO(BN_free) BIGNUM *modulus = BN_bin2bn(n, (int)n_len, NULL);
    AUTO(BN_free) BIGNUM *exponent = BN_bin2bn(e, (int)e_len, NULL);
    AUTO(OSSL_PARAM_BLD_free) OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    if (modulus != NULL && exponent != NULL && builder != NULL &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) == 1) {
        *ret_key = key_from_params("RSA", builder);
    }
    return CKR_OK;
}

/* "prime256v1" from the curve's OID; also of a curve that no key of ours is on. */
static const char *group_of(const unsigned char *params, CK_ULONG len)
{
    const unsigned char *at = params;
    AUTO(ASN1_OBJECT_free) ASN1_OBJECT *oid = d2i_ASN1_OBJECT(NULL, &at, (long)len);

    return oid != NULL && at == params + len ? OBJ_nid2sn(OBJ_obj2nid(oid)) : NULL;
}

/* The length tells which curve it is on. */
static EVP_PKEY *edwards_key(const unsigned char *bytes, size_t len)
{
    const struct key_kind *kind = NULL;
    EVP_PKEY *key = NULL;

    for (size_t i = 0; key == NULL && (kind = key_kind_at(i)) != NULL; i++) {
        if (kind->form == KEY_EDDSA) {
            key = EVP_PKEY_new_raw_public_key_ex(NULL, kind->type, BASICS, bytes, len);
        }
    }
    return key;
}

static EVP_PKEY *key_on_curve(const char *group, const unsigned char *point, size_t len)
{
    AUTO(OSSL_PARAM_BLD_free) OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    if (builder == NULL ||
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, group, 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, len) != 1) {
        return NULL;
    }
    return key_from_params("EC", builder);
}

/* NULL unless the length is that of a point on the curve. */
static EVP_PKEY *key_of_bytes(const unsigned char *bytes, size_t len, const char *group,
                              bool edwards)
{
    if (edwards) {
        return edwards_key(bytes, len);
    }
    return group != NULL ? key_on_curve(group, bytes, len) : NULL;
}

/* PKCS#11 wants the point in an OCTET STRING; some modules give it bare. A bare point may begin as
 * an OCTET STRING of the rest does (041e of Ed25519, 043f of P-256), so the length decides: no
 * curve has points of two lengths that differ by a header. */
static EVP_PKEY *key_of_point(const unsigned char *point, CK_ULONG len, const char *group,
                              bool edwards)
{
    const unsigned char *at = point;
    EVP_PKEY *bare = key_of_bytes(point, len, group, edwards);
    if (bare != NULL) {
        return bare;
    }
    AUTO(ASN1_OCTET_STRING_free)
    ASN1_OCTET_STRING *wrapped = d2i_ASN1_OCTET_STRING(NULL, &at, (long)len);
    return wrapped != NULL && at == point + len
               ? key_of_bytes(ASN1_STRING_get0_data(wrapped), (size_t)ASN1_STRING_length(wrapped),
                              group, edwards)
               : NULL;
}

/* Modules from before PKCS#11 3.0 know but one kind of curve. */
static bool is_edwards(CK_KEY_TYPE type, const unsigned char *params, CK_ULONG len)
{
    const struct key_kind *kind = key_kind_of_params(params, len);

    return type == CKK_EC_EDWARDS || (kind != NULL && kind->form == KEY_EDDSA);
}

static CK_RV read_point(const struct cryptoki *call, CK_SESSION_HANDLE session,
                        CK_OBJECT_HANDLE object, CK_KEY_TYPE type, EVP_PKEY **ret_key)
{
    unsigned char params[OBJECT_FIELD_BYTES];
    unsigned char point[OBJECT_FIELD_BYTES];
    CK_ULONG params_len = 0;
    CK_ULONG len = 0;

    CK_RV rv = cryptoki_get_attribute(call, session, object, CKA_EC_PARAMS, params, sizeof(params),
                                      &params_len);
    if (rv == CKR_OK) {
        rv =
            cryptoki_get_attribute(call, session, object, CKA_EC_POINT, point, sizeof(point), &len);
    }
    if (rv == CKR_OK) {
        *ret_key = key_of_point(point, len, group_of(params, params_len),
                                is_edwards(type, params, params_len));
    }
    return rv;
}

CK_RV object_public_key(const struct cryptoki *call, CK_SESSION_HANDLE session,
                        CK_OBJECT_HANDLE object, EVP_PKEY **ret_key)
{
    CK_KEY_TYPE type = 0;

    *ret_key = NULL;
    CK_RV rv = object_number(call, session, object, CKA_KEY_TYPE, &type);
    ERR_set_mark();
    if (rv == CKR_OK && type == CKK_RSA) {
        rv = read_rsa(call, session, object, ret_key);
    } else if (rv == CKR_OK && (type == CKK_EC || type == CKK_EC_EDWARDS)) {
        rv = read_point(call, session, object, type, ret_key);
    }
    ERR_pop_to_mark();
    return ckr_is_lie(rv) ? rv : CKR_OK;
}

/* --- what may be the public half of a private key --- */

void public_halves_clear(struct public_halves *halves)
{
    for (size_t i = 0; i < halves->len; i++) {
        EVP_PKEY_free(halves->keys[i]);
    }
    halves->len = 0;
}

void public_halves_add(struct public_halves *halves, EVP_PKEY *key)
{
    bool known = key == NULL || halves->len == PUBLIC_HALVES_MAX;

    for (size_t i = 0; i < halves->len && !known; i++) {
        known = EVP_PKEY_eq(halves->keys[i], key) == 1;
    }
    if (!known && EVP_PKEY_up_ref(key) == 1) {
        halves->keys[halves->len++] = key;
    }
}

static CK_RV public_of_certificate(const struct cryptoki *call, CK_SESSION_HANDLE session,
                                   CK_OBJECT_HANDLE object, EVP_PKEY **ret_key)
{
    AUTO(X509_free) X509 *certificate = NULL;
    CK_RV rv = object_certificate(call, session, object, &certificate);

    *ret_key = certificate != NULL ? X509_get_pubkey(certificate) : NULL;
    return rv;
}

static CK_RV add_all(const struct cryptoki *call, CK_SESSION_HANDLE session,
                     CK_OBJECT_CLASS object_class, const CK_OBJECT_HANDLE *found, CK_ULONG len,
                     struct public_halves *halves)
{
    CK_RV rv = CKR_OK;

    ERR_set_mark();
    for (CK_ULONG i = 0; i < len && halves->len < PUBLIC_HALVES_MAX && rv == CKR_OK; i++) {
        AUTO(EVP_PKEY_free) EVP_PKEY *key = NULL;
        rv = object_class == CKO_CERTIFICATE ? public_of_certificate(call, session, found[i], &key)
                                             : object_public_key(call, session, found[i], &key);
        public_halves_add(halves, key);
    }
    ERR_pop_to_mark();
    return rv;
}

/* Objects of a token belong together by their id, without one by their label. */
static const struct tie {
    CK_ATTRIBUTE_TYPE by;
    CK_OBJECT_CLASS to;
} ties[] = {
    { CKA_ID, CKO_PUBLIC_KEY },
    { CKA_ID, CKO_CERTIFICATE },
    { CKA_LABEL, CKO_PUBLIC_KEY },
    { CKA_LABEL, CKO_CERTIFICATE },
};

static CK_RV follow_tie(const struct tie *tie, const struct cryptoki *call,
                        CK_SESSION_HANDLE session, CK_OBJECT_HANDLE private_key,
                        struct public_halves *halves)
{
    unsigned char value[OBJECT_FIELD_BYTES];
    CK_OBJECT_CLASS object_class = tie->to;
    CK_ULONG value_len = 0;
    CK_ULONG len = 0;
    AUTO(handles_free) handles_ptr found = NULL;

    CK_RV rv = cryptoki_get_attribute(call, session, private_key, tie->by, value, sizeof(value),
                                      &value_len);
    if (rv != CKR_OK || value_len == 0) {
        return rv;
    }
    CK_ATTRIBUTE wanted[] = { { CKA_CLASS, &object_class, sizeof(object_class) },
                              { tie->by, value, value_len } };
    rv = object_find(call, session, wanted, ARRAY_LEN(wanted), &found, &len);
    return rv == CKR_OK ? add_all(call, session, object_class, found, len, halves) : rv;
}

CK_RV object_tied_halves(const struct cryptoki *call, CK_SESSION_HANDLE session,
                         CK_OBJECT_HANDLE private_key, struct public_halves *halves)
{
    CK_RV rv = CKR_OK;

    for (size_t i = 0; i < ARRAY_LEN(ties) && !ckr_is_lie(rv); i++) {
        rv = follow_tie(&ties[i], call, session, private_key, halves);
    }
    return ckr_is_lie(rv) ? rv : CKR_OK;
}

CK_RV object_all_halves(const struct cryptoki *call, CK_SESSION_HANDLE session,
                        struct public_halves *halves)
{
    static const CK_OBJECT_CLASS classes[] = { CKO_CERTIFICATE, CKO_PUBLIC_KEY };
    CK_RV rv = CKR_OK;

    for (size_t i = 0; i < ARRAY_LEN(classes) && !ckr_is_lie(rv); i++) {
        AUTO(handles_free) handles_ptr found = NULL;
        CK_ULONG len = 0;
        rv = object_find_class(call, session, classes[i], &found, &len);
        if (rv == CKR_OK) {
            rv = add_all(call, session, classes[i], found, len, halves);
        }
    }
    return ckr_is_lie(rv) ? rv : CKR_OK;
}
