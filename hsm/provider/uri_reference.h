/* SPDX-License-Identifier: Apache-2.0
 * URI references: PEM text or a bare URI that names a token key in any process. Which module
 * and which PIN is for our section of openssl.cnf to say, never for the reference. */
#ifndef NODEKEY_URI_REFERENCE_H
#define NODEKEY_URI_REFERENCE_H

#include "provider/provider_context.h"

/* Label and structure as pkcs11-provider writes them, so that its files keep working. */
#define URI_REFERENCE_PEM_LABEL "PKCS#11 PROVIDER URI"
#define URI_REFERENCE_STRUCTURE "pkcs11-provider-uri"
#define URI_REFERENCE_DESCRIPTION "PKCS#11 Provider URI v1.0"

/* DER: SEQUENCE { description VisibleString, uri UTF8String }. */
extern const struct reference_format uri_references;

#endif
