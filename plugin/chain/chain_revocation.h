/* SPDX-License-Identifier: Apache-2.0
 * Revocation of certificates of a valid path: RFC 5280 6.3 for complete lists of the issuer's own.
 * chain.c asks only after OpenSSL has found the path valid: a forgery is called a forgery, and
 * costs no look into a list.
 *
 * X509_V_FLAG_CRL_CHECK is not used: it hashes the whole list for each peer again (a list of
 * 100,000 entries: milliseconds for every stranger that dials), before it has checked the peer's
 * own signature, and takes of several lists of one name the newest instead of the issuer's. Here a
 * list's signature is checked once for each key. */
#ifndef NODEKEY_CHAIN_REVOCATION_H
#define NODEKEY_CHAIN_REVOCATION_H

#include <stdbool.h>
#include <time.h>

#include <openssl/x509.h>

#include "base/auto.h"
#include "chain/chain_failure.h"
#include "nodekey/plugin.h"
#include "trust/crl.h"

struct chain_revocation; /* any thread, concurrently */

/* [any] Takes a reference to `crls`, which may be NULL. `strict`: a list without crlNumber clears
 * nobody (RFC 5280 5.2.3). Returns NULL: no memory; else owned: chain_revocation_free. */
MUST_USE struct chain_revocation *
chain_revocation_new(struct crls *crls, const struct crl_settings *settings, bool strict);
/* [any] NULL is allowed. */
void chain_revocation_free(struct chain_revocation *revocation);
/* [any] `path` is valid, leaf to root. False: *ret_failure is filled. A list that revokes always
 * counts if a key of the path signed it, also when it is too old, or is not meant for this
 * certificate, and in each mode but off. In the mode hard each certificate must be covered by a
 * current list; in the mode soft what is missing is appended to *note. The root needs no cover: the
 * root is trusted because the operator says so (RFC 5280 6.1), and its list is already needed for
 * what is below it; but should that list name the root, the root is revoked. `*until` is lowered to
 * the end of a list used here. */
MUST_USE bool chain_revocation_holds(struct chain_revocation *revocation, STACK_OF(X509) *path,
                                     time_t *until, char note[NK_DETAIL_BYTES],
                                     struct chain_failure *ret_failure);

#endif
