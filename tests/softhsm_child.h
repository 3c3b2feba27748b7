/* SPDX-License-Identifier: Apache-2.0
 * What the parts of softhsm_child share: one logged-in session, and the way out. */
#ifndef NODEKEY_TESTS_SOFTHSM_CHILD_H
#define NODEKEY_TESTS_SOFTHSM_CHILD_H

#include <openssl/evp.h>
#include <p11-kit/pkcs11.h>

struct child {
    CK_FUNCTION_LIST *p11;
    CK_SESSION_HANDLE session;
    const char *object; /* CKA_LABEL */
    unsigned char id[32];
    CK_ULONG id_len;
};

/* Prints what failed and ends the process with 1. */
void die(const char *what, unsigned long native) __attribute__((__noreturn__));

void child_generate(const struct child *child, const char *type);
void child_import(const struct child *child, EVP_PKEY *key, CK_BBOOL extractable);
/* Owned: EVP_PKEY_free. */
EVP_PKEY *child_public_key(const struct child *child);

#endif
