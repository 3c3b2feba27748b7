/* SPDX-License-Identifier: Apache-2.0
 * The name of a signature in certificates, requests and CMS. No PKCS#11 call happens here. */
#ifndef NODEKEY_ALGORITHM_ID_H
#define NODEKEY_ALGORITHM_ID_H

#include "scheme/key_kinds.h"

/* AlgorithmIdentifier in DER (RFC 4055, RFC 5758, RFC 8410). Returns its length; 0: the scheme has
 * none. *ret_der is owned: OPENSSL_free. */
MUST_USE int algorithm_id(const struct key_kind *kind, const struct scheme *scheme,
                          unsigned char **ret_der);

#endif
