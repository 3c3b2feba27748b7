/* SPDX-License-Identifier: Apache-2.0
 * Scope of a revocation list, the certificates that it speaks about: RFC 5280 5.2.5 and 6.3.3 b. */
#ifndef NODEKEY_CRL_SCOPE_H
#define NODEKEY_CRL_SCOPE_H

#include <stdbool.h>

#include <openssl/x509v3.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

/* [any] *ret_scope is owned, ISSUING_DIST_POINT_free; NULL: all that its issuer issued. NK_E_TRUST
 * goes on from "the CRL of <issuer>": the scope cannot be read, or takes in certificates of other
 * issuers. */
MUST_USE nk_status crl_scope_read(const X509_CRL *list, ISSUING_DIST_POINT **ret_scope,
                                  nk_error *err);
/* [any] Why a list with this scope (NULL: no limits) clears no certificate, to go on from "the CRL
 * of <issuer>"; static. NULL: it clears those that it covers. */
const char *crl_scope_gap(const ISSUING_DIST_POINT *scope);
/* [any] Whether a list with this scope (NULL: no limits), and without a gap, covers
 * `certificate`. */
bool crl_scope_has(const ISSUING_DIST_POINT *scope, const X509_NAME *issuer, X509 *certificate);
/* [any] Why it does not cover `certificate`, with the cure where there is one. */
void crl_scope_tell(const ISSUING_DIST_POINT *scope, const X509 *certificate, char *text,
                    size_t room);

/* [any] The name of a CRLReason; NULL: none was given. */
const char *crl_scope_reason(const ASN1_ENUMERATED *code);

#endif
