/* SPDX-License-Identifier: Apache-2.0
 * Programs that know OpenSSL and nothing of us: their openssl.cnf, their key files, and library
 * contexts that read the one and load the other. softhsm_start comes first. Failures of the fixture
 * abort. */
#ifndef NODEKEY_TESTS_PERSISTENT_RIG_H
#define NODEKEY_TESTS_PERSISTENT_RIG_H

#include <stdbool.h>

#include <openssl/evp.h>

/* Writes NAME.cnf below scratch_folder(): "default" and, after it, the module with these lines in
 * its section. Returns the path. */
const char *cnf_write(const char *name, const char *lines);
/* A context configured by that file. Owned: OSSL_LIB_CTX_free. */
OSSL_LIB_CTX *cnf_context(const char *path);

/* PEM as pkcs11-provider writes it. Kept as path_of's. */
const char *persistent_pem(const char *uri);
/* The same with another description, or more bytes after the URI, or fewer when negative. */
const char *persistent_pem_as(const char *description, const char *uri, size_t uri_len, int more);

/* NULL: see the queue. Owned: EVP_PKEY_free. */
EVP_PKEY *load_pem(OSSL_LIB_CTX *ctx, const char *pem);
EVP_PKEY *load_uri(OSSL_LIB_CTX *ctx, const char *uri);
bool signs_for(OSSL_LIB_CTX *ctx, EVP_PKEY *private_key, EVP_PKEY *public_key);

/* The thread's whole OpenSSL queue as text, which empties it. Kept as path_of's. */
const char *queue_text(void);

#endif
