/* SPDX-License-Identifier: Apache-2.0
 * Revocation lists made in memory. Failures abort with the line, as in authority.h. */
#ifndef NODEKEY_TESTS_REVOCATION_H
#define NODEKEY_TESTS_REVOCATION_H

#include <stdbool.h>

#include <openssl/x509.h>

#include "authority.h"

#define CRL_REVOKED_MAX 8

/* What differs from a good list. Zero-initialise: NULL and 0 mean the good default, but for
 * `number`, whose 0 is a number like any other. */
struct crl_spec {
    const struct authority *issuer;
    EVP_PKEY *signer;               /* NULL: the issuer's key */
    long number;                    /* crlNumber; -1: none */
    long this_update_seconds;       /* from now; 0: an hour ago */
    long next_update_seconds;       /* from now; 0: in a day */
    bool endless;                   /* no nextUpdate */
    bool bare;                      /* no authority key identifier */
    X509 *revoked[CRL_REVOKED_MAX]; /* up to the first NULL */
    const EVP_MD *digest;           /* NULL: SHA-256 (none for Ed25519) */
    bool pem;                       /* crl_write: PEM instead of DER */
    const char *extra; /* "name=value" lines in openssl.cnf syntax, '\n' between; or NULL */
};

/* Decoded from its own DER, so that it is what a reader sees. Owned: X509_CRL_free. */
X509_CRL *crl_make(const struct crl_spec *spec);
/* Mode 0644; replaces a file of that name by rename, so that no reader sees a half. */
void crl_write(const char *path, const struct crl_spec *spec);

#endif
