/* SPDX-License-Identifier: Apache-2.0
 * The files of the test suite, read once. Failures abort with the line: this is only for tests. */
#ifndef NODEKEY_TESTS_PKITS_SUITE_H
#define NODEKEY_TESTS_PKITS_SUITE_H

#include <stddef.h>

#include <openssl/x509.h>

#include "trust/crl.h"

struct suite {
    char **names;                /* of the certificates' files, without ".crt", sorted */
    STACK_OF(X509) *all;         /* in the order of names */
    STACK_OF(X509) *authorities; /* all but end entities and the anchor, in the order of names */
    STACK_OF(X509) *anchor;      /* the one root */
    struct crls *lists;          /* those that are not refused */
    char *refusals;              /* a line for each of the others: its file, and why */
};

/* `folder` holds "certs" and "crls". */
void suite_read(const char *folder, struct suite *ret_suite);
void suite_clear(struct suite *suite);
/* Borrowed. */
X509 *suite_find(const struct suite *suite, const char *name);
/* What a peer with this leaf could send: everything that may have issued it or one of its issuers,
 * at most `max`. Owned: sk_X509_free; the certificates are borrowed. */
STACK_OF(X509) *suite_issuers(const struct suite *suite, X509 *leaf, int max);
/* The file is an end entity's. */
int suite_is_leaf(const char *name);

#endif
