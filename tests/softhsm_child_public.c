/* SPDX-License-Identifier: Apache-2.0
 * A public key object as an EVP_PKEY. */
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include "base/auto.h"
#include "softhsm_child.h"

#define VALUE_MAX_BYTES 1024

struct value {
    unsigned char bytes[VALUE_MAX_BYTES];
    CK_ULONG len;
};

static CK_OBJECT_HANDLE find(const struct child *child)
{
    CK_OBJECT_CLASS class = CKO_PUBLIC_KEY;
    CK_ATTRIBUTE wanted[] = {
        { CKA_CLASS, &class, sizeof(class) },
        { CKA_LABEL, (void *)(uintptr_t)child->object, strlen(child->object) },
        { CKA_ID, (void *)(uintptr_t)child->id, child->id_len },
    };
    CK_OBJECT_HANDLE handles[2];
    CK_ULONG len = 0;
    CK_RV rv = child->p11->C_FindObjectsInit(child->session, wanted, ARRAY_LEN(wanted));
    if (rv == CKR_OK) {
        rv = child->p11->C_FindObjects(child->session, handles, ARRAY_LEN(handles), &len);
    }
    if (rv == CKR_OK) {
        rv = child->p11->C_FindObjectsFinal(child->session);
    }
    if (rv != CKR_OK || len != 1) {
        die("finding exactly one public key", rv);
    }
    return handles[0];
}

static void get(const struct child *child, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
                struct value *value)
{
    CK_ATTRIBUTE attribute = { type, value->bytes, sizeof(value->bytes) };
    CK_RV rv = child->p11->C_GetAttributeValue(child->session, object, &attribute, 1);
    if (rv != CKR_OK) {
        die("C_GetAttributeValue", rv);
    }
    value->len = attribute.ulValueLen;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *build)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY *key = NULL;
    if (context == NULL || params == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        die("making the public key", 0);
    }
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_BLD_free(build);
    return key;
}

static EVP_PKEY *rsa(const struct child *child, CK_OBJECT_HANDLE object)
{
    struct value n, e;
    get(child, object, CKA_MODULUS, &n);
    get(child, object, CKA_PUBLIC_EXPONENT, &e);
    BIGNUM *modulus = BN_bin2bn(n.bytes, (int)n.len, NULL);
    BIGNUM *exponent = BN_bin2bn(e.bytes, (int)e.len, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    if (build == NULL || OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) != 1 ||
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent) != 1) {
        die("building RSA parameters", 0);
    }
    EVP_PKEY *key = from_params("RSA", build);
    BN_free(modulus);
    BN_free(exponent);
    return key;
}

static EVP_PKEY *curve(const struct child *child, CK_OBJECT_HANDLE object, CK_KEY_TYPE type)
{
    struct value params, wrapped;
    get(child, object, CKA_EC_PARAMS, &params);
    get(child, object, CKA_EC_POINT, &wrapped);
    const unsigned char *in = wrapped.bytes;
    ASN1_OCTET_STRING *point = d2i_ASN1_OCTET_STRING(NULL, &in, (long)wrapped.len);
    if (point == NULL) {
        die("unwrapping CKA_EC_POINT", 0);
    }
    EVP_PKEY *key = NULL;
    if (type == CKK_EC_EDWARDS) {
        key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, ASN1_STRING_get0_data(point),
                                          (size_t)ASN1_STRING_length(point));
    } else {
        in = params.bytes;
        ASN1_OBJECT *oid = d2i_ASN1_OBJECT(NULL, &in, (long)params.len);
        OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
        if (oid == NULL || build == NULL ||
            OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME,
                                            OBJ_nid2sn(OBJ_obj2nid(oid)), 0) != 1 ||
            OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY,
                                             ASN1_STRING_get0_data(point),
                                             (size_t)ASN1_STRING_length(point)) != 1) {
            die("building EC parameters", 0);
        }
        key = from_params("EC", build);
        ASN1_OBJECT_free(oid);
    }
    ASN1_OCTET_STRING_free(point);
    return key;
}

EVP_PKEY *child_public_key(const struct child *child)
{
    CK_OBJECT_HANDLE object = find(child);
    CK_KEY_TYPE type = 0;
    struct value value;
    get(child, object, CKA_KEY_TYPE, &value);
    if (value.len != sizeof(type)) {
        die("reading CKA_KEY_TYPE", value.len);
    }
    memcpy(&type, value.bytes, sizeof(type));
    EVP_PKEY *key = type == CKK_RSA ? rsa(child, object) : curve(child, object, type);
    if (key == NULL) {
        die("making the public key", type);
    }
    return key;
}
