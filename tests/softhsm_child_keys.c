/* SPDX-License-Identifier: Apache-2.0
 * Key pairs as PKCS#11 objects: generated on the token, imported into it, read back from it. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include "base/auto.h"
#include "softhsm_child.h"

#define FIELD_MAX_BYTES 1024

/* DER of the curve's OID; Ed25519 is the PrintableString "edwards25519". */
static const struct curve {
    const char *type;  /* as in software_key */
    const char *group; /* as OpenSSL calls it */
    unsigned char params[16];
    CK_ULONG params_len;
} curves[] = {
    { "P-256", "prime256v1", "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10 },
    { "P-384", "secp384r1", "\x06\x05\x2b\x81\x04\x00\x22", 7 },
    { "P-521", "secp521r1", "\x06\x05\x2b\x81\x04\x00\x23", 7 },
    { "Ed25519", NULL,
      "\x13\x0c"
      "edwards25519",
      14 },
};

static CK_BBOOL yes = CK_TRUE;
static CK_BBOOL no = CK_FALSE;

struct template
{
    CK_ATTRIBUTE attributes[24];
    CK_ULONG len;
};

static void add(struct template *t, CK_ATTRIBUTE_TYPE type, const void *value, CK_ULONG len)
{
    if (t->len == ARRAY_LEN(t->attributes)) {
        die("template is full", t->len);
    }
    t->attributes[t->len++] =
        (CK_ATTRIBUTE){ .type = type, .pValue = (void *)(uintptr_t)value, .ulValueLen = len };
}

static void add_common(struct template *t, const struct child *child)
{
    add(t, CKA_TOKEN, &yes, sizeof(yes));
    add(t, CKA_LABEL, child->object, strlen(child->object));
    add(t, CKA_ID, child->id, child->id_len);
}

static void add_private(struct template *t, const struct child *child, const CK_BBOOL *extractable)
{
    add_common(t, child);
    add(t, CKA_PRIVATE, &yes, sizeof(yes));
    add(t, CKA_SIGN, &yes, sizeof(yes));
    add(t, CKA_SENSITIVE, *extractable == CK_TRUE ? &no : &yes, sizeof(CK_BBOOL));
    add(t, CKA_EXTRACTABLE, extractable, sizeof(*extractable));
}

static void add_public(struct template *t, const struct child *child)
{
    add_common(t, child);
    add(t, CKA_PRIVATE, &no, sizeof(no));
    add(t, CKA_VERIFY, &yes, sizeof(yes));
}

static const struct curve *curve_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(curves); i++) {
        if (strcmp(curves[i].type, name) == 0 ||
            (curves[i].group != NULL && strcmp(curves[i].group, name) == 0)) {
            return &curves[i];
        }
    }
    die("unknown key type", 0);
}

void child_generate(const struct child *child, const char *type)
{
    static const unsigned char f4[] = { 1, 0, 1 };
    struct template public_key = { 0 };
    struct template private_key = { 0 };
    CK_MECHANISM mechanism = { .mechanism = CKM_EC_KEY_PAIR_GEN };
    CK_ULONG bits = 0;

    add_public(&public_key, child);
    add_private(&private_key, child, &no);
    if (strncmp(type, "RSA-", 4) == 0) {
        mechanism.mechanism = CKM_RSA_PKCS_KEY_PAIR_GEN;
        bits = strtoul(type + 4, NULL, 10);
        add(&public_key, CKA_MODULUS_BITS, &bits, sizeof(bits));
        add(&public_key, CKA_PUBLIC_EXPONENT, f4, sizeof(f4));
    } else {
        const struct curve *curve = curve_named(type);
        add(&public_key, CKA_EC_PARAMS, curve->params, curve->params_len);
        if (curve->group == NULL) {
            mechanism.mechanism = CKM_EC_EDWARDS_KEY_PAIR_GEN;
        }
    }
    CK_OBJECT_HANDLE handles[2];
    CK_RV rv = child->p11->C_GenerateKeyPair(child->session, &mechanism, public_key.attributes,
                                             public_key.len, private_key.attributes,
                                             private_key.len, &handles[0], &handles[1]);
    if (rv != CKR_OK) {
        die("C_GenerateKeyPair", rv);
    }
}

static void create(const struct child *child, struct template *t)
{
    CK_OBJECT_HANDLE handle = 0;
    CK_RV rv = child->p11->C_CreateObject(child->session, t->attributes, t->len, &handle);
    if (rv != CKR_OK) {
        die("C_CreateObject", rv);
    }
}

/* The bytes live until the process ends, like the templates that point to them. */
static void add_number(struct template *t, CK_ATTRIBUTE_TYPE type, EVP_PKEY *key, const char *name)
{
    BIGNUM *number = NULL;
    if (EVP_PKEY_get_bn_param(key, name, &number) != 1) {
        die(name, 0);
    }
    static unsigned char fields[16][FIELD_MAX_BYTES];
    static size_t used;
    if (used == ARRAY_LEN(fields)) {
        die("too many numbers", used);
    }
    int len = BN_bn2bin(number, fields[used]);
    add(t, type, fields[used++], (CK_ULONG)len);
    BN_clear_free(number);
}

static void import_rsa(struct template *private_key, struct template *public_key, EVP_PKEY *key)
{
    static const CK_KEY_TYPE type = CKK_RSA;
    add(private_key, CKA_KEY_TYPE, &type, sizeof(type));
    add_number(private_key, CKA_MODULUS, key, OSSL_PKEY_PARAM_RSA_N);
    add_number(private_key, CKA_PUBLIC_EXPONENT, key, OSSL_PKEY_PARAM_RSA_E);
    add_number(private_key, CKA_PRIVATE_EXPONENT, key, OSSL_PKEY_PARAM_RSA_D);
    add_number(private_key, CKA_PRIME_1, key, OSSL_PKEY_PARAM_RSA_FACTOR1);
    add_number(private_key, CKA_PRIME_2, key, OSSL_PKEY_PARAM_RSA_FACTOR2);
    add_number(private_key, CKA_EXPONENT_1, key, OSSL_PKEY_PARAM_RSA_EXPONENT1);
    add_number(private_key, CKA_EXPONENT_2, key, OSSL_PKEY_PARAM_RSA_EXPONENT2);
    add_number(private_key, CKA_COEFFICIENT, key, OSSL_PKEY_PARAM_RSA_COEFFICIENT1);
    add(public_key, CKA_KEY_TYPE, &type, sizeof(type));
    add_number(public_key, CKA_MODULUS, key, OSSL_PKEY_PARAM_RSA_N);
    add_number(public_key, CKA_PUBLIC_EXPONENT, key, OSSL_PKEY_PARAM_RSA_E);
}

/* An OCTET STRING holds the point; ours are short enough for one or two length bytes. */
static void add_point(struct template *t, const unsigned char *point, size_t len)
{
    static unsigned char wrapped[256];
    size_t used = 0;
    wrapped[used++] = 0x04;
    if (len > 0x7f) {
        wrapped[used++] = 0x81;
    }
    wrapped[used++] = (unsigned char)len;
    memcpy(wrapped + used, point, len);
    add(t, CKA_EC_POINT, wrapped, used + len);
}

static void import_curve(struct template *private_key, struct template *public_key, EVP_PKEY *key)
{
    static CK_KEY_TYPE type = CKK_EC;
    static unsigned char seed[FIELD_MAX_BYTES];
    unsigned char point[FIELD_MAX_BYTES];
    size_t seed_len = sizeof(seed);
    size_t point_len = sizeof(point);
    char name[64] = "Ed25519";
    bool edwards = EVP_PKEY_is_a(key, "ED25519") == 1;
    if (edwards ? EVP_PKEY_get_raw_public_key(key, point, &point_len) != 1 ||
                      EVP_PKEY_get_raw_private_key(key, seed, &seed_len) != 1
                : EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point,
                                                  sizeof(point), &point_len) != 1 ||
                      EVP_PKEY_get_group_name(key, name, sizeof(name), NULL) != 1) {
        die("reading the curve key", 0);
    }
    const struct curve *curve = curve_named(name);
    type = edwards ? CKK_EC_EDWARDS : CKK_EC;
    add(private_key, CKA_KEY_TYPE, &type, sizeof(type));
    add(private_key, CKA_EC_PARAMS, curve->params, curve->params_len);
    if (edwards) {
        add(private_key, CKA_VALUE, seed, seed_len);
    } else {
        add_number(private_key, CKA_VALUE, key, OSSL_PKEY_PARAM_PRIV_KEY);
    }
    add(public_key, CKA_KEY_TYPE, &type, sizeof(type));
    add(public_key, CKA_EC_PARAMS, curve->params, curve->params_len);
    add_point(public_key, point, point_len);
}

void child_import(const struct child *child, EVP_PKEY *key, CK_BBOOL extractable)
{
    static const CK_OBJECT_CLASS private_class = CKO_PRIVATE_KEY;
    static const CK_OBJECT_CLASS public_class = CKO_PUBLIC_KEY;
    struct template public_key = { 0 };
    struct template private_key = { 0 };

    add(&private_key, CKA_CLASS, &private_class, sizeof(private_class));
    add_private(&private_key, child, &extractable);
    add(&public_key, CKA_CLASS, &public_class, sizeof(public_class));
    add_public(&public_key, child);
    if (EVP_PKEY_is_a(key, "RSA") == 1) {
        import_rsa(&private_key, &public_key, key);
    } else {
        import_curve(&private_key, &public_key, key);
    }
    create(child, &private_key);
    create(child, &public_key);
}
