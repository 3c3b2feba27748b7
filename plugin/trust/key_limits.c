/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/key_limits.h"

#include <stdio.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/rsa.h>

#include "base/auto.h"
#include "trust/key_types.h"

#define POINT_UNCOMPRESSED 4
#define NAME_BYTES 64
#define UNKNOWN_COST 700

DEFINE_AUTO(BIGNUM *, BN_free);
DEFINE_AUTO(RSA_PSS_PARAMS *, RSA_PSS_PARAMS_free);

/* --- signatures --- */

static bool is_good_digest(int nid)
{
    return nid == NID_sha256 || nid == NID_sha384 || nid == NID_sha512;
}

static enum key_limits_algorithm pss_algorithm(const X509_ALGOR *algorithm)
{
    const ASN1_OBJECT *hash = NULL;
    AUTO(RSA_PSS_PARAMS_free)
    RSA_PSS_PARAMS *params =
        ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(RSA_PSS_PARAMS), algorithm->parameter);
    if (params == NULL) {
        return ALGORITHM_UNKNOWN;
    }
    if (params->hashAlgorithm == NULL) { /* the default is SHA-1 */
        return ALGORITHM_WEAK;
    }
    X509_ALGOR_get0(&hash, NULL, NULL, params->hashAlgorithm);
    return is_good_digest(OBJ_obj2nid(hash)) ? ALGORITHM_GOOD : ALGORITHM_WEAK;
}

static enum key_limits_algorithm algorithm_kind(const X509_ALGOR *algorithm)
{
    const ASN1_OBJECT *oid = NULL;
    int digest = NID_undef;
    int key = NID_undef;

    X509_ALGOR_get0(&oid, NULL, NULL, algorithm);
    int nid = OBJ_obj2nid(oid);
    if (key_type_find(nid, NID_undef) != NULL) { /* EdDSA, named by the curve alone (RFC 8410) */
        return ALGORITHM_GOOD;
    }
    if (nid == NID_rsassaPss) {
        return pss_algorithm(algorithm);
    }
    if (OBJ_find_sigid_algs(nid, &digest, &key) != 1 ||
        (key != NID_rsaEncryption && key != NID_X9_62_id_ecPublicKey)) {
        return ALGORITHM_UNKNOWN;
    }
    return is_good_digest(digest) ? ALGORITHM_GOOD : ALGORITHM_WEAK;
}

enum key_limits_algorithm key_limits_algorithm(const X509_ALGOR *algorithm, char *problem,
                                               size_t room)
{
    const ASN1_OBJECT *oid = NULL;
    char name[NAME_BYTES] = "";
    enum key_limits_algorithm kind = algorithm_kind(algorithm);

    if (kind != ALGORITHM_GOOD) {
        X509_ALGOR_get0(&oid, NULL, NULL, algorithm);
        (void)OBJ_obj2txt(name, sizeof(name), oid, 0);
        snprintf(problem, room,
                 "signed with %s; taken are SHA-256, SHA-384 and SHA-512 with RSA or ECDSA, and "
                 "EdDSA",
                 name);
    }
    return kind;
}

/* --- keys --- */

static const char *rsa_problem(const EVP_PKEY *key, bool *ret_weak)
{
    AUTO(BN_free) BIGNUM *exponent = NULL;
    int bits = EVP_PKEY_get_bits(key);

    if (bits < KEY_LIMITS_RSA_BITS_MIN) {
        *ret_weak = true;
        return "the RSA key has less than 2048 bits";
    }
    if (bits > KEY_LIMITS_RSA_BITS_MAX) {
        return "the RSA key has more than 8192 bits";
    }
    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) != 1) {
        return "the RSA key has no public exponent";
    }
    if (BN_num_bits(exponent) > KEY_LIMITS_RSA_EXPONENT_BITS) {
        return "the RSA key's public exponent has more than 64 bits";
    }
    if (!BN_is_odd(exponent) || BN_is_one(exponent)) {
        *ret_weak = true;
        return "the RSA key's public exponent is even, or 1";
    }
    return NULL;
}

/* The raw fields decide: OpenSSL's decoded key no longer shows how it was encoded. */
static const char *encoding_problem(int nid, const X509_ALGOR *algorithm,
                                    const unsigned char *bytes, int len)
{
    int type = V_ASN1_UNDEF;
    const void *curve = NULL;
    bool ec = nid == NID_X9_62_id_ecPublicKey;

    X509_ALGOR_get0(NULL, &type, &curve, algorithm);
    if (ec && type != V_ASN1_OBJECT) {
        return "the EC key brings curve parameters of its own instead of a curve's name";
    }
    const struct key_type *row = key_type_find(nid, ec ? OBJ_obj2nid(curve) : NID_undef);
    if (ec && row == NULL) {
        return "the EC key is on another curve; taken are " KEY_TYPES_TAKEN;
    }
    if (ec && (len != row->bytes || bytes[0] != POINT_UNCOMPRESSED)) {
        return "the EC key's point is not in uncompressed form";
    }
    return row != NULL && len != row->bytes ? "the key has not the length of its kind" : NULL;
}

const char *key_limits_problem(const X509 *certificate, bool *ret_weak)
{
    const X509_PUBKEY *spki = X509_get_X509_PUBKEY(certificate);
    ASN1_OBJECT *oid = NULL;
    X509_ALGOR *algorithm = NULL;
    const unsigned char *bytes = NULL;
    int len = 0;

    *ret_weak = false;
    if (X509_PUBKEY_get0_param(&oid, &bytes, &len, &algorithm, spki) != 1) {
        return "the public key cannot be read";
    }
    int nid = OBJ_obj2nid(oid);
    const char *problem = encoding_problem(nid, algorithm, bytes, len);
    if (problem != NULL) {
        return problem;
    }
    const EVP_PKEY *key = X509_get0_pubkey(certificate);
    if (key == NULL) {
        return "the public key cannot be read, or is of a kind that OpenSSL does not know";
    }
    if (nid == NID_rsaEncryption || nid == NID_rsassaPss) {
        return rsa_problem(key, ret_weak);
    }
    if (key_type_of(key) != NULL) {
        return NULL;
    }
    *ret_weak = true; /* DSA above all */
    return "the key is none of " KEY_TYPES_TAKEN;
}

static unsigned rsa_cost(const EVP_PKEY *key)
{
    AUTO(BN_free) BIGNUM *exponent = NULL;
    unsigned kilobits = ((unsigned)EVP_PKEY_get_bits(key) + 1023) / 1024;

    if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) != 1) {
        return KEY_LIMITS_COST;
    }
    unsigned bits = (unsigned)BN_num_bits(exponent);
    return 20 + kilobits * kilobits * (bits + bits / 4) / 5;
}

unsigned key_limits_cost(const X509 *certificate)
{
    const EVP_PKEY *key = X509_get0_pubkey(certificate);
    if (key == NULL) {
        return 0; /* such a key checks nothing */
    }
    if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS")) {
        return rsa_cost(key);
    }
    const struct key_type *type = key_type_of(key);
    return type != NULL ? type->cost : UNKNOWN_COST;
}
