/* SPDX-License-Identifier: Apache-2.0
 * The kinds of keys that nodekey signs with: a new one is a row here, for OpenSSL, and a row in
 * key_kinds.c, for tokens and TLS. */
#ifndef NODEKEY_KEY_KINDS_H
#define NODEKEY_KEY_KINDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
    uint16_t number;  /* likewise: its SignatureScheme */
    struct scheme scheme;
    CK_MECHANISM_TYPE mechanism;
    const char *mechanism_name;
};

#define KEY_KIND_NEEDS 6
struct key_kind {
    const char *name; /* as printed and asked for; RSA: of the shortest keys of the row */
    const char *type; /* OpenSSL's, as in KEY_TYPES */
    enum key_form form;
    int nid;                /* the curve's; NID_rsaEncryption */
    int bits_min, bits_max; /* of the modulus or the curve; keys are generated with bits_min */
    CK_KEY_TYPE key_type;
    CK_MECHANISM_TYPE generation;
    const char *generation_name;
    /* Names of the curve in CKA_EC_PARAMS beside its OID, `name` and OpenSSL's name: in a
     * PrintableString (PKCS#11 3.0 section 6.3.3), or by another OID, or NULL. Not for RSA. */
    const char *curve;
    const char *other_oid;
    /* Peers in the field that a key of this kind cannot talk to, and what to choose; NULL: it talks
     * to all of them. */
    const char *unmet;
    struct scheme_need
        needs[KEY_KIND_NEEDS]; /* the first is TLS 1.3's preferred; name NULL: no more */
};

/* The `i`th kind; NULL: no more. */
const struct key_kind *key_kind_at(size_t i);
/* The kind of a key; NULL: none of ours. */
const struct key_kind *key_kind_of(const EVP_PKEY *key);
/* The kind that CKA_EC_PARAMS names. NULL: something else, or another encoding. */
const struct key_kind *key_kind_of_params(const unsigned char *params, size_t len);
/* The kind of that name; NULL: there is none. */
const struct key_kind *key_kind_named(const char *name);

#define KEY_KIND_TEXT_BYTES 24
/* "P-256", "RSA-2560"; of a curve that nodekey does not use OpenSSL's name, of other kinds "". */
void key_kind_print(const EVP_PKEY *key, char text[KEY_KIND_TEXT_BYTES]);

#endif
