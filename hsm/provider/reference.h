/* SPDX-License-Identifier: Apache-2.0
 * Private references: the PEM text that stands for a token key where gRPC wants a private key. It
 * holds a random handle and the public key, is worth nothing outside this process, and is never
 * searched for: an unknown handle is an error. */
#ifndef NODEKEY_REFERENCE_H
#define NODEKEY_REFERENCE_H

#include "key/key.h"

#define REFERENCE_PEM_LABEL "NODEKEY KEY REFERENCE"

enum reference_answer {
    REFERENCE_FOREIGN = 0, /* other DER: an ordinary key, which OpenSSL shows to every decoder */
    REFERENCE_UNKNOWN,     /* a reference, but not of this process, closed, or tampered with */
    REFERENCE_FOUND,
};

/* The DER inside the PEM: SEQUENCE { version INTEGER (1), handle OCTET STRING (16 bytes),
 * publicKey OCTET STRING (SubjectPublicKeyInfo) }. When found, *ret_key is a new reference. No
 * PKCS#11 call. */
MUST_USE enum reference_answer reference_resolve(const unsigned char *der, size_t len,
                                                 struct hsm_key **ret_key);

#endif
