/* SPDX-License-Identifier: Apache-2.0 */
#include "key/key_kinds.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>

#define TAG_PRINTABLE 0x13

DEFINE_AUTO(ASN1_OBJECT *, ASN1_OBJECT_free);

#define MECHANISM(name) name, #name
#define PSS(digest, bytes)                                                                         \
    {                                                                                              \
        "rsa_pss_rsae_" #digest, { RSA_PKCS1_PSS_PADDING, NID_##digest, bytes },                   \
            MECHANISM(CKM_RSA_PKCS_PSS)                                                            \
    }
#define PKCS1(digest)                                                                              \
    {                                                                                              \
        "rsa_pkcs1_" #digest, { RSA_PKCS1_PADDING, NID_##digest, 0 }, MECHANISM(CKM_RSA_PKCS)      \
    }
#define ECDSA(curve, digest)                                                                       \
    {                                                                                              \
        {                                                                                          \
            "ecdsa_" #curve "_" #digest, { 0, NID_##digest, 0 }, MECHANISM(CKM_ECDSA)              \
        }                                                                                          \
    }
#define EDDSA(name)                                                                                \
    {                                                                                              \
        {                                                                                          \
            name, { 0, NID_undef, 0 }, MECHANISM(CKM_EDDSA)                                        \
        }                                                                                          \
    }
#define EC_KEYS .form = KEY_ECDSA, .type = "EC", .key_type = CKK_EC, GENERATED(CKM_EC_KEY_PAIR_GEN)
#define ED_KEYS                                                                                    \
    .form = KEY_EDDSA, .key_type = CKK_EC_EDWARDS, GENERATED(CKM_EC_EDWARDS_KEY_PAIR_GEN)
#define GENERATED(mechanism) .generation = (mechanism), .generation_name = #mechanism
#define BITS(n) .bits_min = (n), .bits_max = (n)

static const struct key_kind kinds[] = {
    { .name = "P-256",
      EC_KEYS,
      .nid = NID_X9_62_prime256v1,
      BITS(256),
      .curves = { "secp256r1", "prime256v1" },
      .needs = ECDSA(secp256r1, sha256) },
    { .name = "P-384",
      EC_KEYS,
      .nid = NID_secp384r1,
      BITS(384),
      .curves = { "secp384r1" },
      .needs = ECDSA(secp384r1, sha384) },
    { .name = "P-521",
      EC_KEYS,
      .nid = NID_secp521r1,
      BITS(521),
      .curves = { "secp521r1" },
      .needs = ECDSA(secp521r1, sha512) },
    { .name = "Ed25519",
      ED_KEYS,
      .type = "ED25519",
      .nid = NID_ED25519,
      BITS(256),
      .curves = { "edwards25519" },
      .other_oid = "1.3.6.1.4.1.11591.15.1", /* GnuPG's, which cards with OpenPGP's applet give */
      .needs = EDDSA("ed25519") },
    { .name = "RSA",
      .form = KEY_RSA,
      .type = "RSA",
      .key_type = CKK_RSA,
      GENERATED(CKM_RSA_PKCS_KEY_PAIR_GEN),
      .nid = NID_rsaEncryption,
      .bits_min = 2048,
      .bits_max = 4096,
      .sizes = { 2048, 3072, 4096 },
      .needs = { PSS(sha256, 32), PSS(sha384, 48), PSS(sha512, 64), PKCS1(sha256), PKCS1(sha384),
                 PKCS1(sha512) } },
};

const struct key_kind *key_kind_at(size_t i)
{
    return i < ARRAY_LEN(kinds) ? &kinds[i] : NULL;
}

/* A type of OpenSSL's has one curve, or keys that name theirs. */
static bool is_on_curve(const EVP_PKEY *key, int nid)
{
    char group[64] = "";

    return EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1 ||
           OBJ_sn2nid(group) == nid;
}

const struct key_kind *key_kind_of(const EVP_PKEY *key)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (EVP_PKEY_is_a(key, kinds[i].type) == 1 && is_on_curve(key, kinds[i].nid)) {
            return &kinds[i];
        }
    }
    return NULL;
}

static bool is_called(const struct key_kind *kind, const unsigned char *name, size_t len)
{
    const char *const called[] = { kind->name, kind->curves[0], kind->curves[1] };

    for (size_t i = 0; i < ARRAY_LEN(called); i++) {
        if (called[i] != NULL && strlen(called[i]) == len &&
            strncasecmp(called[i], (const char *)name, len) == 0) {
            return true;
        }
    }
    return false;
}

const struct key_kind *key_kind_of_params(const unsigned char *params, size_t len)
{
    char oid[64] = "";
    const unsigned char *at = params;
    ERR_set_mark();
    AUTO(ASN1_OBJECT_free) ASN1_OBJECT *object = d2i_ASN1_OBJECT(NULL, &at, (long)len);
    ERR_pop_to_mark();
    int nid = object != NULL && at == params + len ? OBJ_obj2nid(object) : NID_undef;
    bool is_name = len >= 2 && params[0] == TAG_PRINTABLE && params[1] == len - 2;

    if (object != NULL && at == params + len) {
        (void)OBJ_obj2txt(oid, sizeof(oid), object, 1);
    }
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const struct key_kind *kind = &kinds[i];
        if (kind->form != KEY_RSA &&
            (kind->nid == nid || (kind->other_oid != NULL && strcmp(kind->other_oid, oid) == 0) ||
             (is_name && is_called(kind, params + 2, len - 2)))) {
            return kind;
        }
    }
    return NULL;
}

const struct key_kind *key_kind_asked(const char *type, int *ret_bits)
{
    char text[KEY_KIND_TEXT_BYTES];

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        for (size_t j = 0; j == 0 || (j < KEY_KIND_SIZES && kinds[i].sizes[j] != 0); j++) {
            key_kind_text(&kinds[i], kinds[i].sizes[j], text);
            if (strcmp(text, type) == 0) {
                *ret_bits = kinds[i].sizes[j];
                return &kinds[i];
            }
        }
    }
    return NULL;
}

void key_kind_text(const struct key_kind *kind, int bits, char text[KEY_KIND_TEXT_BYTES])
{
    if (kind->form == KEY_RSA) {
        snprintf(text, KEY_KIND_TEXT_BYTES, "%s-%d", kind->name, bits);
    } else {
        snprintf(text, KEY_KIND_TEXT_BYTES, "%s", kind->name);
    }
}

void key_kind_print(const EVP_PKEY *key, char text[KEY_KIND_TEXT_BYTES])
{
    const struct key_kind *kind = key_kind_of(key);

    text[0] = '\0';
    if (kind != NULL) {
        key_kind_text(kind, EVP_PKEY_get_bits(key), text);
    } else if (EVP_PKEY_get_group_name(key, text, KEY_KIND_TEXT_BYTES, NULL) != 1) {
        text[0] = '\0';
    }
}

void key_kind_list(char *text, size_t room)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(kinds) && used < room; i++) {
        const char *before = i == 0 ? "" : i + 1 < ARRAY_LEN(kinds) ? ", " : " and ";
        int n = kinds[i].form == KEY_RSA
                    ? snprintf(text + used, room - used, "%s%s of %d to %d bits", before,
                               kinds[i].name, kinds[i].bits_min, kinds[i].bits_max)
                    : snprintf(text + used, room - used, "%s%s", before, kinds[i].name);
        used += (size_t)n;
    }
}
