/* SPDX-License-Identifier: Apache-2.0
 * Rules of RFC 5280 about how a certificate is written that OpenSSL's strict does not ask for:
 * federation.strict does, of roots and of what is below them. */
#ifndef NODEKEY_CERTIFICATE_FORM_H
#define NODEKEY_CERTIFICATE_FORM_H

#include <openssl/x509.h>

/* [any] The first rule that is broken, with the cure, to go on from "the certificate"; static.
 * NULL: none is. RFC 5280 4.2.1.10 (nameConstraints critical, in CAs only, not empty, their DNS
 * names without a dot in front), 4.2.1.11 and 4.2.1.14 (policyConstraints, inhibitAnyPolicy
 * critical), 4.2.2.1 (authorityInfoAccess, in DER). */
const char *certificate_form_problem(const X509 *certificate);

/* [any] The same of what is below a root, where OpenSSL's strict asked for it up to 3.x: RFC 5280
 * 4.2.1.9 (a CA's basicConstraints critical), 4.1.2.6 (the subjectAltName of an empty subject
 * critical). */
const char *certificate_form_below_root(const X509 *certificate);

#endif
