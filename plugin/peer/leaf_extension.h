/* SPDX-License-Identifier: Apache-2.0
 * One extension of a leaf. OpenSSL also takes BER and bytes behind the value: an extension that two
 * readers may read differently is refused here. */
#ifndef NODEKEY_LEAF_EXTENSION_H
#define NODEKEY_LEAF_EXTENSION_H

#include <openssl/asn1t.h>
#include <openssl/x509.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

/* [any] *ret_value is owned, ASN1_item_free; NULL: the leaf has no such extension. NK_E_PEER: it is
 * there twice, malformed or not DER. */
MUST_USE nk_status leaf_extension_read(const X509 *leaf, int nid, const ASN1_ITEM *item,
                                       void **ret_value, nk_error *err);

#endif
