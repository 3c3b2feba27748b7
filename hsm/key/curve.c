/* SPDX-License-Identifier: Apache-2.0 */
#include "key/curve.h"

#include <string.h>
#include <strings.h>

#include <openssl/obj_mac.h>
#include <openssl/objects.h>

#include "base/auto.h"

#define TAG_OID 0x06
#define TAG_PRINTABLE 0x13

static const struct curve {
    const char *name;
    int nid;
    unsigned char oid[9]; /* content octets */
    unsigned char oid_len;
    const char *aliases[3];
} curves[] = {
    { "P-256",
      NID_X9_62_prime256v1,
      { 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 },
      8,
      { "secp256r1", "prime256v1", "P-256" } },
    { "P-384", NID_secp384r1, { 0x2b, 0x81, 0x04, 0x00, 0x22 }, 5, { "secp384r1", "P-384" } },
    { "P-521", NID_secp521r1, { 0x2b, 0x81, 0x04, 0x00, 0x23 }, 5, { "secp521r1", "P-521" } },
    { "Ed25519", NID_ED25519, { 0x2b, 0x65, 0x70 }, 3, { "edwards25519", "Ed25519" } },
    /* GnuPG's OID, which cards with OpenPGP's applet give. */
    { "Ed25519",
      NID_ED25519,
      { 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01 },
      9,
      { NULL } },
};

static int is_called(const struct curve *curve, const unsigned char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(curve->aliases) && curve->aliases[i] != NULL; i++) {
        if (strlen(curve->aliases[i]) == len &&
            strncasecmp(curve->aliases[i], (const char *)name, len) == 0) {
            return 1;
        }
    }
    return 0;
}

const char *curve_of_params(const unsigned char *params, size_t len)
{
    if (len < 2 || params[1] != len - 2) { /* no name of ours needs a longer length */
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(curves); i++) {
        const struct curve *curve = &curves[i];
        if (params[0] == TAG_OID && len - 2 == curve->oid_len &&
            memcmp(params + 2, curve->oid, curve->oid_len) == 0) {
            return curve->name;
        }
        if (params[0] == TAG_PRINTABLE && is_called(curve, params + 2, len - 2)) {
            return curve->name;
        }
    }
    return NULL;
}

const char *curve_of_key(EVP_PKEY *key)
{
    char group[64] = "";

    int nid = EVP_PKEY_is_a(key, "ED25519") ? NID_ED25519 : NID_undef;
    if (EVP_PKEY_is_a(key, "EC") && EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1) {
        nid = OBJ_sn2nid(group);
    }
    for (size_t i = 0; i < ARRAY_LEN(curves) && nid != NID_undef; i++) {
        if (curves[i].nid == nid) {
            return curves[i].name;
        }
    }
    return NULL;
}
