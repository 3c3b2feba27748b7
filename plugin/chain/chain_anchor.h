/* SPDX-License-Identifier: Apache-2.0
 * The root at the end of a path, where errors of form count for nothing. RFC 5280 6.1 takes a name
 * and a key from the anchor, and reads no extension of it; OpenSSL's strict reads them all, and so
 * refuses what `openssl req -x509`, Easy-RSA and keytool make. */
#ifndef NODEKEY_CHAIN_ANCHOR_H
#define NODEKEY_CHAIN_ANCHOR_H

#include <openssl/x509_vfy.h>

#include "chain/chain_check.h"

/* [any] Has X509_verify_cert pass over these errors in the last certificate of a path, if that is
 * byte for byte one of the roots: basicConstraints not critical, keyUsage absent, a
 * pathLenConstraint without keyCertSign, a key identifier absent or critical. All else that the
 * root says holds: its validity, keyUsage, pathLenConstraint, nameConstraints, its key. The
 * application data of `ctx` is a struct chain_check. */
void chain_anchor_pass_form(X509_STORE_CTX *ctx);

#endif
