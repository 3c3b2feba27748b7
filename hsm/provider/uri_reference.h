/* SPDX-License-Identifier: Apache-2.0
 * Persistent references: PEM text or a bare URI that names a token key in any process. Which module
 * and which PIN is for our section of openssl.cnf to say, never for the reference. */
#ifndef NODEKEY_URI_REFERENCE_H
#define NODEKEY_URI_REFERENCE_H

#include "provider/provider_private.h"

/* As pkcs11-provider writes them, so its files keep working. */
#define URI_REFERENCE_PEM_LABEL "PKCS#11 PROVIDER URI"
#define URI_REFERENCE_STRUCTURE "pkcs11-provider-uri"
#define URI_REFERENCE_DESCRIPTION "PKCS#11 Provider URI v1.0"

/* DER: SEQUENCE { description VisibleString, uri UTF8String }. */
extern const struct reference_format uri_references;
extern const OSSL_DISPATCH store_pkcs11[];

/* The key that the URI names, opened at first use and kept for the life of the process, as is its
 * token. With `look` the token is asked whether it still holds that key; when it does not answer,
 * what was opened before is good. Has raised when NULL. A new reference. [any] */
MUST_USE struct hsm_key *uri_key(struct provider *provider, const char *uri, bool look);
/* One sentence from hsm/ to OpenSSL's queue, in the words of our section. Always 0. */
int uri_raise(struct provider *provider, const nk_error *err);
/* What a host's log would have said of this thread's last signature that failed, if anything. */
void uri_raise_failure(const struct provider *provider);

#endif
