/* SPDX-License-Identifier: Apache-2.0
 * Certificates made in memory, so that none expires. Failures abort with the line: this is only
 * for tests, benchmarks and the quickstart's intruders. */
#ifndef NODEKEY_TESTS_AUTHORITY_H
#define NODEKEY_TESTS_AUTHORITY_H

#include <stdbool.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

/* A software key by name: "RSA-1024", "RSA-2048", "RSA-3072", "RSA-4096", "P-256", "P-384",
 * "P-521", "Ed25519". Owned: EVP_PKEY_free. */
EVP_PKEY *software_key(const char *type);

struct authority { /* one CA, root or intermediate */
    EVP_PKEY *key;
    X509 *certificate;
};

/* What differs from a good certificate. Zero-initialise: NULL and 0 mean the good default. */
struct certificate_spec {
    const char *cn;        /* NULL: "node" */
    const char *san;       /* OpenSSL syntax: "URI:spiffe://f/n/a,IP:127.0.0.1"; NULL: none */
    const char *eku;       /* NULL: "serverAuth,clientAuth"; "": no extension */
    const char *key_usage; /* NULL: "critical,digitalSignature"; "": no extension */
    const char
        *basic_constraints; /* NULL: "critical,CA:FALSE" ("critical,CA:TRUE" for CAs); "": none */
    const char *extra;      /* "name=value" lines in openssl.cnf syntax, '\n' between; or NULL */
    long starts_in_seconds; /* 0: an hour ago */
    long ends_in_seconds;   /* 0: in a day */
    bool bare;              /* no subject and authority key identifiers (as P2PFL's script) */
    const EVP_MD *digest;   /* NULL: SHA-256 (none for Ed25519) */
};

/* `parent` NULL: self-signed root. Key type P-256. `spec` may be NULL. */
struct authority authority_make(const struct authority *parent, const char *cn,
                                const struct certificate_spec *spec);
void authority_free(struct authority *authority);
/* Issues for the public half of `subject`. With `issuer` NULL it is self-signed with `subject`,
 * which then needs its private half. Owned: X509_free. */
X509 *authority_issue(const struct authority *issuer, EVP_PKEY *subject,
                      const struct certificate_spec *spec);

/* PEM text of the certificates in order, NULL-terminated argument list. Owned: free. */
char *pem_of(X509 *first, ...);
char *pem_of_key(EVP_PKEY *key);
/* Writes with this mode; aborts on failure. */
void write_file(const char *path, const char *text, unsigned mode);
/* mkdtemp below $TMPDIR or /tmp; removed with all it holds at exit of the process that made it. */
const char *scratch_folder(void);
/* printf into a fresh string, leaked on purpose until exit (held by a list, so leak checkers are
 * silent): "path_of(\"%s/a.pem\", folder)". */
const char *path_of(const char *fmt, ...) __attribute__((__format__(__printf__, 1, 2)));

#endif
