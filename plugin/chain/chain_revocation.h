/* SPDX-License-Identifier: Apache-2.0
 * Is a certificate of a valid path revoked? RFC 5280 6.3 for complete lists of the issuer's own.
 * Part of chain.c, which asks only after OpenSSL has found the path valid: a forgery is called a
 * forgery, and costs no look into a list.
 *
 * Not by X509_V_FLAG_CRL_CHECK, which hashes the whole list for each peer again (a list of 100,000
 * entries: milliseconds for every stranger that dials), before it has checked the peer's own
 * signature, and takes of several lists of one name the newest instead of the issuer's. Here a
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

struct revocation; /* any thread, concurrently */

/* Takes a reference to `crls`, which may be NULL. NULL: no memory. Owned: revocation_free. */
MUST_USE struct revocation *revocation_new(struct crls *crls, const struct crl_settings *settings);
void revocation_free(struct revocation *revocation);
/* `path` is valid, leaf to root. False: *ret_failure is filled. A list that revokes always counts
 * if a key of the path signed it, also when it is too old, or is not meant for this certificate,
 * and in each mode but off. That the others are covered by a current list is asked in the mode
 * hard; in the mode soft what is missing is appended to *note. The root is not asked for: it is
 * trusted because the operator says so (RFC 5280 6.1), and its list is already needed for what is
 * below it; but should that list name it, it is revoked. `*until` is lowered to when a list used
 * here ends. */
MUST_USE bool revocation_holds(struct revocation *revocation, STACK_OF(X509) *path, time_t *until,
                               char note[NK_DETAIL_BYTES], struct chain_failure *ret_failure);

#endif
