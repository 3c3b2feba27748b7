/* SPDX-License-Identifier: Apache-2.0 */
#include "key/object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>

#include "key/scheme.h"

#define FIND_AT_ONCE 16
#define OBJECTS_MAX 4096 /* a token that never ends must not take all memory */

#define BASICS "provider=default"

typedef CK_OBJECT_HANDLE *handles_ptr;
DEFINE_AUTO(handles_ptr, free);
DEFINE_AUTO(BIGNUM *, BN_free);
DEFINE_AUTO(OSSL_PARAM_BLD *, OSSL_PARAM_BLD_free);
DEFINE_AUTO(OSSL_PARAM *, OSSL_PARAM_free);
DEFINE_AUTO(EVP_PKEY_CTX *, EVP_PKEY_CTX_free);
DEFINE_AUTO(ASN1_OCTET_STRING *, ASN1_OCTET_STRING_free);
DEFINE_AUTO(ASN1_OBJECT *, ASN1_OBJECT_free);

static CK_RV collect(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session, handles_ptr *found,
                     CK_ULONG *len)
{
    for (;;) {
        CK_ULONG got = 0;
        CK_OBJECT_HANDLE *more = realloc(*found, (*len + FIND_AT_ONCE) * sizeof(**found));
        if (more == NULL) {
            return CKR_HOST_MEMORY;
        }
        *found = more;
        CK_RV rv = call->C_FindObjects(session, more + *len, FIND_AT_ONCE, &got);
        if (rv != CKR_OK || got == 0 || got > FIND_AT_ONCE) {
            return rv;
        }
        *len += got;
        if (*len >= OBJECTS_MAX) {
            return CKR_DEVICE_MEMORY;
        }
    }
}

CK_RV object_find(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session, CK_ATTRIBUTE *template,
                  CK_ULONG template_len, CK_OBJECT_HANDLE **ret_found, CK_ULONG *ret_len)
{
    AUTO(free) handles_ptr found = NULL;
    CK_ULONG len = 0;
    CK_RV rv = call->C_FindObjectsInit(session, template, template_len);
    if (rv != CKR_OK) {
        return rv;
    }
    rv = collect(call, session, &found, &len);
    CK_RV final_rv = call->C_FindObjectsFinal(session);
    rv = rv != CKR_OK ? rv : final_rv;
    if (rv == CKR_OK) {
        *ret_found = found;
        *ret_len = len;
        found = NULL;
    }
    return rv;
}

bool object_attribute(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                      CK_ATTRIBUTE_TYPE type, void *value, CK_ULONG room, CK_ULONG *ret_len)
{
    CK_ATTRIBUTE wanted = { type, value, room };

    if (call->C_GetAttributeValue(session, object, &wanted, 1) != CKR_OK ||
        wanted.ulValueLen > room) { /* CK_UNAVAILABLE_INFORMATION is more than any room */
        return false;
    }
    *ret_len = wanted.ulValueLen;
    return true;
}

/* --- public keys --- */

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *builder)
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

static EVP_PKEY *rsa(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
    unsigned char n[OBJECT_FIELD_BYTES];
    unsigned char e[OBJECT_FIELD_BYTES];
    CK_ULONG n_len = 0;
    CK_ULONG e_len = 0;

    if (!object_attribute(call, session, object, CKA_MODULUS, n, sizeof(n), &n_len) ||
        !object_attribute(call, session, object, CKA_PUBLIC_EXPONENT, e, sizeof(e), &e_len)) {
        return NULL;
    }
    AUTO(BN_free) BIGNUM *modulus = BN_bin2bn(n, (int)n_len, NULL);
    AUTO(BN_free) BIGNUM *exponent = BN_bin2bn(e, (int)e_len, NULL);
    AUTO(OSSL_PARAM_BLD_free) OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    if (modulus == NULL || exponent == NULL || builder == NULL ||
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) != 1) {
        return NULL;
    }
    return from_params("RSA", builder);
}

/* "prime256v1" from the curve's OID; modules that say a name in its place have Edwards curves. */
static const char *group_of(const unsigned char *params, CK_ULONG len)
{
    const unsigned char *at = params;
    AUTO(ASN1_OBJECT_free) ASN1_OBJECT *oid = d2i_ASN1_OBJECT(NULL, &at, (long)len);

    return oid != NULL && at == params + len ? OBJ_nid2sn(OBJ_obj2nid(oid)) : NULL;
}

static EVP_PKEY *on_curve(const char *group, const unsigned char *point, size_t len)
{
    AUTO(OSSL_PARAM_BLD_free) OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    if (builder == NULL ||
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, group, 0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, len) != 1) {
        return NULL;
    }
    return from_params("EC", builder);
}

/* PKCS#11 wants the point in an OCTET STRING; some modules give it bare. */
static EVP_PKEY *curve(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                       bool edwards)
{
    unsigned char params[OBJECT_FIELD_BYTES];
    unsigned char point[OBJECT_FIELD_BYTES];
    const unsigned char *at = point;
    CK_ULONG params_len = 0;
    CK_ULONG len = 0;

    if (!object_attribute(call, session, object, CKA_EC_PARAMS, params, sizeof(params),
                          &params_len) ||
        !object_attribute(call, session, object, CKA_EC_POINT, point, sizeof(point), &len)) {
        return NULL;
    }
    AUTO(ASN1_OCTET_STRING_free)
    ASN1_OCTET_STRING *wrapped = d2i_ASN1_OCTET_STRING(NULL, &at, (long)len);
    bool bare = wrapped == NULL || at != point + len;
    const unsigned char *bytes = bare ? point : ASN1_STRING_get0_data(wrapped);
    size_t bytes_len = bare ? len : (size_t)ASN1_STRING_length(wrapped);
    if (edwards) {
        return EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", BASICS, bytes, bytes_len);
    }
    const char *group = group_of(params, params_len);
    return group != NULL ? on_curve(group, bytes, bytes_len) : NULL;
}

EVP_PKEY *object_public_key(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session,
                            CK_OBJECT_HANDLE object)
{
    CK_KEY_TYPE type = 0;
    CK_ULONG len = 0;
    EVP_PKEY *key = NULL;

    if (!object_attribute(call, session, object, CKA_KEY_TYPE, &type, sizeof(type), &len) ||
        len != sizeof(type)) {
        return NULL;
    }
    ERR_set_mark();
    if (type == CKK_RSA) {
        key = rsa(call, session, object);
    } else if (type == CKK_EC || type == CKK_EC_EDWARDS) {
        key = curve(call, session, object, type == CKK_EC_EDWARDS);
    }
    ERR_pop_to_mark();
    return key;
}

void object_key_type(EVP_PKEY *key, char *text, size_t room)
{
    char group[64] = "";

    text[0] = '\0';
    switch (scheme_kind_of(key)) {
    case KEY_RSA:
        snprintf(text, room, "RSA-%d", EVP_PKEY_get_bits(key));
        break;
    case KEY_EC:
        EVP_PKEY_get_group_name(key, group, sizeof(group), NULL);
        snprintf(text, room, "%s",
                 EC_curve_nid2nist(OBJ_sn2nid(group)) != NULL ? EC_curve_nid2nist(OBJ_sn2nid(group))
                                                              : group);
        break;
    case KEY_ED25519:
        snprintf(text, room, "Ed25519");
        break;
    }
}
