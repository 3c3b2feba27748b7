/* SPDX-License-Identifier: Apache-2.0
 * The kinds of keys that nodekey signs with: a new one is a row here, for OpenSSL, and a row in
 * key_kinds.c, for tokens and TLS. */
#ifndef NODEKEY_KEY_KINDS_H
#define NODEKEY_KEY_KINDS_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/evp.h>
#include <p11-kit/pkcs11.h>

#include "base/auto.h"

/* OpenSSL's types of key, of which each needs a KEYMGMT, a SIGNATURE and a DECODER with functions
 * of its own: the provider makes them from these rows. ROW(id, name, other names, its SIGNATURE's
 * name, other names of that, the fields of its public half, how it is signed with). */
#define KEY_TYPES(ROW)                                                                             \
    ROW(rsa, "RSA", ":rsaEncryption:1.2.840.113549.1.1.1", "RSA",                                  \
        ":rsaEncryption:1.2.840.113549.1.1.1", rsa, prehashed)                                     \
    ROW(ec, "EC", ":id-ecPublicKey:1.2.840.10045.2.1", "ECDSA", "", ec, prehashed)                 \
    ROW(ed25519, "ED25519", ":1.3.101.112", "ED25519", ":1.3.101.112", raw, whole)

enum key_form {
    KEY_RSA = 1, /* signs a block that is padded */
    KEY_ECDSA,   /* signs a digest */
    KEY_EDDSA,   /* signs the message itself (RFC 8032) */
};

struct scheme {
    int padding;     /* RSA_PKCS1_PADDING, RSA_PKCS1_PSS_PADDING; 0: not RSA */
    int digest_nid;  /* NID_undef: the input is signed as it is */
    size_t salt_len; /* PSS */
};
/* A scheme that TLS 1.2 or 1.3 may ask of a key. */
struct scheme_need {
    const char *name; /* as in RFC 8446 section 4.2.3 */
    struct scheme scheme;
    CK_MECHANISM_TYPE mechanism;
    const char *mechanism_name;
};

#define KEY_KIND_NEEDS 6
#define KEY_KIND_SIZES 3
#define KEY_KIND_CURVES 2
struct key_kind {
    const char *name; /* as printed: "P-256"; "RSA", which the bits follow */
    const char *type; /* OpenSSL's, as in KEY_TYPES */
    enum key_form form;
    int nid;                /* the curve's; NID_rsaEncryption */
    int bits_min, bits_max; /* of the modulus or the curve */
    CK_KEY_TYPE key_type;
    CK_MECHANISM_TYPE generation;
    const char *generation_name;
    int sizes[KEY_KIND_SIZES]; /* RSA: of the keys that are generated */
    /* Other names of the curve in CKA_EC_PARAMS than its OID and `name`: in a PrintableString
     * (PKCS#11 3.0 section 6.3.3), or another OID. NULL: no more. */
    const char *curves[KEY_KIND_CURVES];
    const char *other_oid;
    struct scheme_need
        needs[KEY_KIND_NEEDS]; /* the first is TLS 1.3's preferred; name NULL: no more */
};

/* The `i`th kind; NULL: no more. */
const struct key_kind *key_kind_at(size_t i);
/* The kind of a key; RSA of any size is one. NULL: none of ours. */
const struct key_kind *key_kind_of(const EVP_PKEY *key);
/* The kind that CKA_EC_PARAMS names. NULL: something else, or another encoding. */
const struct key_kind *key_kind_of_params(const unsigned char *params, size_t len);
/* The kind that a type such as "P-256" or "RSA-3072" asks for, of those that are generated;
 * *ret_bits is its size. NULL: there is none. */
const struct key_kind *key_kind_asked(const char *type, int *ret_bits);

#define KEY_KIND_TEXT_BYTES 24
/* "P-256", "RSA-3072". */
void key_kind_text(const struct key_kind *kind, int bits, char text[KEY_KIND_TEXT_BYTES]);
/* The same of a key; of a kind that nodekey does not use its curve, or "". */
void key_kind_print(const EVP_PKEY *key, char text[KEY_KIND_TEXT_BYTES]);
/* All kinds, for texts: "P-256, ... and RSA of 2048 to 4096 bits". */
void key_kind_list(char *text, size_t room);

#endif
