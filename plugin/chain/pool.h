/* SPDX-License-Identifier: Apache-2.0
 * Intermediates that once lay on the path of an admitted peer, for peers who leave them out: a
 * resumed connection shows the leaf alone. Candidates only, never trusted, never leaves: bounded,
 * and nothing per peer. The pool outlives the generations of a policy.
 *
 * A member that owns a CA below the federation's can make as many CAs as it likes, of any name
 * and key identifier, and be admitted below each. So a place is lost only to one's own: when the
 * pool, or its part of one name, is full, the branch that holds most of it (all that hangs below
 * one certificate that a root issued) gives up its deepest entry, of these the longest unused. And
 * an issuer is found by its signature, not by its name: a namesake misleads no search. */
#ifndef NODEKEY_POOL_H
#define NODEKEY_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/x509.h>

#include "base/auto.h"

#define POOL_MAX 64
#define POOL_NAMESAKES_MAX 4

struct pool; /* counted; any thread, concurrently */

/* [any] NULL: no memory. Owned: pool_unref. */
MUST_USE struct pool *pool_new(void);
/* [any] One more holder, each of which calls pool_unref. */
struct pool *pool_ref(struct pool *pool);
/* [any] NULL is allowed. */
void pool_unref(struct pool *pool);
/* [any] Puts the intermediates of a verified path (leaf first, root last) into the pool. Only for
 * peers that were admitted in the end: what is in the pool is tried for others. */
void pool_remember(struct pool *pool, STACK_OF(X509) *path);
/* [any] Grows whenever a certificate comes in, or gives way to one: as long as it does not, the
 * pool finds what it found. */
uint64_t pool_changes(const struct pool *pool);
/* [any] The certificate of exactly these bytes, or NULL; `pool` is a struct pool, as a peer_decoded
 * has it. Decoding one costs OpenSSL 3.0 more than all else of a judgement but its signatures, and
 * most peers show the intermediates of others. Owned: X509_free. */
X509 *pool_find(void *pool, const unsigned char *der, size_t len);
/* [any] Whether `certificate` and `issuer`, these very objects, were one above the other in a path
 * that pool_remember was given: then the issuer's key signed it. */
bool pool_knows_signature(struct pool *pool, const X509 *certificate, const X509 *issuer);
/* [any] Issuer of `certificate`, or NULL: of namesakes the one whose key signed it; a lone one is
 * not checked, since its user checks. *left is lowered by the cost of checking signatures here and
 * there (key_limits.h); a check that *left does not cover is not made. Owned: X509_free. */
X509 *pool_find_issuer(struct pool *pool, X509 *certificate, unsigned *left);
/* [any] Appends all certificates, each with a reference of its own: one may be the signer of a CRL.
 * False: no memory. */
MUST_USE bool pool_append(struct pool *pool, STACK_OF(X509) *certificates);

#endif
