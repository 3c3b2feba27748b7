/* SPDX-License-Identifier: Apache-2.0
 * Which certificates a revocation list speaks about: RFC 5280 5.2.5 and 6.3.3 b. */
#ifndef NODEKEY_CRL_SCOPE_H
#define NODEKEY_CRL_SCOPE_H

#include <stdbool.h>

#include <openssl/x509v3.h>

/* Once, before crl_scope_has: spells out a name that is relative to the issuer's. */
void crl_scope_prepare(ISSUING_DIST_POINT *scope, const X509_NAME *issuer);
/* Does a complete, direct list with this scope (NULL: no limits) cover `certificate` for each
 * reason? A list for some reasons only does not. */
bool crl_scope_has(const ISSUING_DIST_POINT *scope, const X509_NAME *issuer, X509 *certificate);

/* The name of a CRLReason; NULL: none was given. */
const char *crl_scope_reason(const ASN1_ENUMERATED *code);

#endif
