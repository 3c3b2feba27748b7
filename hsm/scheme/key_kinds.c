/* SPDX-License-Identifier: Apache-2.0 */
#include "scheme/key_kinds.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>

#define TAG_PRINTABLE 0x13

DEFINE_AUTO(ASN1_OBJECT *, ASN1_OBJECT_free);

#define NEED(name, number, padding, digest, salt, mechanism)                                       \
    {                                                                                              \
        name, number, { padding, NID_##digest, salt }, mechanism, #mechanism                       \
    }
#define PSS(number, digest, salt)                                                                  \
    NEED("rsa_pss_rsae_" #digest, number, RSA_PKCS1_PSS_PADDING, digest, salt, CKM_RSA_PKCS_PSS)
#define PKCS1(number, digest)                                                                      \
    NEED("rsa_pkcs1_" #digest, number, RSA_PKCS1_PADDING, digest, 0, CKM_RSA_PKCS)
#define RSA_KEYS(bits, last)                                                                       \
    {                                                                                              \
        .name = "RSA-" #bits, .form = KEY_RSA, .type = "RSA", .key_type = CKK_RSA,                 \
        GENERATED(CKM_RSA_PKCS_KEY_PAIR_GEN), .nid = NID_rsaEncryption, .bits_min = (bits),        \
        .bits_max = (last), .needs = {                                                             \
            PSS(0x0804, sha256, 32),                                                               \
            PSS(0x0805, sha384, 48),                                                               \
            PSS(0x0806, sha512, 64),                                                               \
            PKCS1(0x0401, sha256),                                                                 \
            PKCS1(0x0501, sha384),                                                                 \
            PKCS1(0x0601, sha512)                                                                  \
        }                                                                                          \
    }
#define EC_KEYS(label, curve_name, curve_nid, bits, number, digest, ...)                           \
    {                                                                                              \
        .name = (label), .form = KEY_ECDSA, .type = "EC", .key_type = CKK_EC,                      \
        GENERATED(CKM_EC_KEY_PAIR_GEN), .nid = (curve_nid), .bits_min = (bits),                    \
        .bits_max = (bits), .curve = #curve_name,                                                  \
        .needs = { NEED("ecdsa_" #curve_name "_" #digest, number, 0, digest, 0, CKM_ECDSA) },      \
        __VA_ARGS__                                                                                \
    }
#define GENERATED(mechanism) .generation = (mechanism), .generation_name = #mechanism

/* BoringSSL's list of schemes that it verifies has neither P-521 nor Ed25519, and gRPC no setting
 * for it. */
#define NOT_BORINGSSL                                                                              \
    "no gRPC on BoringSSL (PyPI's grpcio and so P2PFL, grpc-java, Envoy) talks to them, in "       \
    "either role"
/* TLS 1.2 ties a client's certificate to the curves that it offered (RFC 8422 section 5.1), of
 * which gRPC 1.51 has P-256 alone; OpenSSL looks, GnuTLS does not. */
#define NOT_TLS_1_2 "on gRPC 1.51 they dial no OpenSSL server that has TLS 1.2 alone"
#define CHOOSE(kinds) "; where you need that, choose " kinds " or RSA"

static const struct key_kind kinds[] = {
    EC_KEYS("P-256", secp256r1, NID_X9_62_prime256v1, 256, 0x0403, sha256, .unmet = NULL),
    EC_KEYS("P-384", secp384r1, NID_secp384r1, 384, 0x0503, sha384,
            .unmet = NOT_TLS_1_2 CHOOSE("P-256")),
    EC_KEYS("P-521", secp521r1, NID_secp521r1, 521, 0x0603, sha512,
            .unmet = NOT_BORINGSSL ", and " NOT_TLS_1_2 CHOOSE("P-256")),
    { .name = "Ed25519",
      .form = KEY_EDDSA,
      .key_type = CKK_EC_EDWARDS,
      GENERATED(CKM_EC_EDWARDS_KEY_PAIR_GEN),
      .type = "ED25519",
      .nid = NID_ED25519,
      .bits_min = 256,
      .bits_max = 256,
      .curve = "edwards25519",
      .other_oid = "1.3.6.1.4.1.11591.15.1", /* GnuPG's, which cards with OpenPGP's applet give */
      .unmet = NOT_BORINGSSL CHOOSE("P-256, P-384"),
      .needs = { NEED("ed25519", 0x0807, 0, undef, 0, CKM_EDDSA) } },
    RSA_KEYS(2048, 3071),
    RSA_KEYS(3072, 4095),
    RSA_KEYS(4096, 4096),
};

const struct key_kind *key_kind_at(size_t i)
{
    return i < ARRAY_LEN(kinds) ? &kinds[i] : NULL;
}

const struct key_kind *key_kind_of(const EVP_PKEY *key)
{
    int bits = EVP_PKEY_get_bits(key);
    char group[64] = "";
    bool named = EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1;

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (EVP_PKEY_is_a(key, kinds[i].type) == 1 &&
            (named ? OBJ_sn2nid(group) == kinds[i].nid
                   : bits >= kinds[i].bits_min && bits <= kinds[i].bits_max)) {
            return &kinds[i];
        }
    }
    return NULL;
}

static bool is_called(const struct key_kind *kind, const unsigned char *name, size_t len)
{
    const char *const called[] = { kind->name, kind->curve, OBJ_nid2sn(kind->nid) };

    for (size_t i = 0; i < ARRAY_LEN(called); i++) {
        if (strlen(called[i]) == len && strncasecmp(called[i], (const char *)name, len) == 0) {
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

const struct key_kind *key_kind_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

void key_kind_print(const EVP_PKEY *key, char text[KEY_KIND_TEXT_BYTES])
{
    const struct key_kind *kind = key_kind_of(key);

    if (EVP_PKEY_is_a(key, "RSA") == 1) {
        snprintf(text, KEY_KIND_TEXT_BYTES, "RSA-%d", EVP_PKEY_get_bits(key));
    } else if (kind != NULL) {
        snprintf(text, KEY_KIND_TEXT_BYTES, "%s", kind->name);
    } else if (EVP_PKEY_get_group_name(key, text, KEY_KIND_TEXT_BYTES, NULL) != 1) {
        text[0] = '\0';
    }
}
