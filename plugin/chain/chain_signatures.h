/* SPDX-License-Identifier: Apache-2.0
 * Signatures of a path. Whether a key signed a certificate never changes, and the path above a leaf
 * is that of the peers before: of a path whose intermediates are all the pool's, and of which the
 * pool knows who signed them, the leaf's signature alone is checked. */
#ifndef NODEKEY_CHAIN_SIGNATURES_H
#define NODEKEY_CHAIN_SIGNATURES_H

#include <openssl/x509_vfy.h>

#include "chain/chain_check.h"

/* [any] Has X509_verify_cert check no signature again that check->pool knows. `check` is the
 * application data of `ctx`. All else stays OpenSSL's: trust, purposes, extensions, names,
 * policies, key sizes; and so does the check of all signatures and of the validity of all
 * certificates, in its order and with its errors, wherever one is not known or not valid now. */
void chain_signatures_spare(X509_STORE_CTX *ctx, struct chain_check *check);

#endif
