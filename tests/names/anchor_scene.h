/* SPDX-License-Identifier: Apache-2.0
 * A root in a file, what is issued below it, and the verdicts on it: ours, from federation.roots
 * on, and OpenSSL's own. */
#ifndef NODEKEY_TESTS_ANCHOR_SCENE_H
#define NODEKEY_TESTS_ANCHOR_SCENE_H

#include <stdbool.h>
#include <stdint.h>

#include "fixtures/authority.h"
#include "fixtures/revocation.h"

#define ANCHOR_TEXT_BYTES 2048
#define ANCHOR_OTHERS_MAX 4

/* Question to the chain. */
struct anchor_case {
    X509 *roots[ANCHOR_OTHERS_MAX];  /* up to the first NULL */
    X509 *others[ANCHOR_OTHERS_MAX]; /* sent along; up to the first NULL */
    X509 *leaf;
    X509_CRL *lists[ANCHOR_OTHERS_MAX]; /* in force, hard; none: no revocation */
    bool strict;
    bool unread;   /* the roots are not asked whether they will do */
    uint32_t role; /* 0: client */
};

/* "+": the chain holds. "-LABEL DETAIL": it does not. "!TEXT": the roots, or the lists, are not
 * even read. In a buffer of the caller's thread. */
const char *anchor_verdict(const struct anchor_case *asked);
/* X509_verify_cert with the purpose alone, or also X509_V_FLAG_X509_STRICT. "+", or "-" and
 * OpenSSL's error. */
const char *anchor_openssl(const struct anchor_case *asked, bool strict);

/* Fails with both texts unless `verdict` begins with `want`, and has `part` in it (NULL: any). */
void anchor_expect(const char *verdict, const char *want, const char *part);

/* "authorityKeyIdentifier" of a certificate that names `issuer` by its key's hash, though `issuer`
 * has no identifier: keytool and Go write such. A line for certificate_spec.extra; leaked as
 * path_of does. */
const char *anchor_key_identifier(const struct authority *issuer, bool critical);

/* For go_verdicts.sh: with $NODEKEY_NAMES_OUT the roots, the chain (leaf first) and the verdict
 * that is expected of Go become files there, called after the row. */
void anchor_hand_over(const struct anchor_case *asked, const char *name, const char *go);

/* The same certificate with one bit of its signature changed. Owned: X509_free. */
X509 *anchor_forge(X509 *certificate);

#endif
