/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/key_types.h"

#include <stdio.h>

#include <openssl/objects.h>

#include "base/auto.h"

#define TABLE_ROW(name, algorithm, curve, bytes, cost) { name, algorithm, curve, bytes, cost },
static const struct key_type types[] = { KEY_TYPE_ROWS(TABLE_ROW) };

const struct key_type *key_type_at(size_t i)
{
    return i < ARRAY_LEN(types) ? &types[i] : NULL;
}

const struct key_type *key_type_find(int algorithm, int curve)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (types[i].algorithm == algorithm && types[i].curve == curve) {
            return &types[i];
        }
    }
    return NULL;
}

const struct key_type *key_type_of(const EVP_PKEY *key)
{
    int algorithm = EVP_PKEY_get_base_id(key);
    char group[64] = "";
    bool named =
        algorithm == EVP_PKEY_EC && EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1;

    return key_type_find(algorithm, named ? OBJ_sn2nid(group) : NID_undef);
}

void key_type_text(const EVP_PKEY *key, char *text, size_t room)
{
    int algorithm = EVP_PKEY_get_base_id(key);
    const struct key_type *type = key_type_of(key);

    /* RSA-PSS is the same key, pledged to one padding. */
    if (algorithm == EVP_PKEY_RSA || algorithm == EVP_PKEY_RSA_PSS) {
        snprintf(text, room, "RSA-%d", EVP_PKEY_get_bits(key));
    } else if (type != NULL) {
        snprintf(text, room, "%s", type->name);
    } else if (EVP_PKEY_get_group_name(key, text, room, NULL) != 1) {
        const char *name = EVP_PKEY_get0_type_name(key);
        snprintf(text, room, "other: %s", name != NULL ? name : "?");
    }
}
