/* SPDX-License-Identifier: Apache-2.0
 * Intermediates that once lay on the path of an admitted peer, for those who leave them out: a
 * resumed connection shows the leaf alone. Candidates only, never trusted, never leaves: bounded,
 * and nothing per peer. Outlives the generations of a policy.
 *
 * A member that owns a CA below the federation's can make as many others as it likes, of any name
 * and key identifier, and be admitted below each. So a place is lost only to one's own: when the
 * pool, or what it holds of one name, is full, the branch that holds most of it (all that hangs
 * below one certificate that a root issued) gives up its deepest entry, of these the one longest
 * unused. And an issuer is found by its signature, not by its name: a namesake misleads nobody. */
#ifndef NODEKEY_POOL_H
#define NODEKEY_POOL_H

#include <stdbool.h>

#include <openssl/x509.h>

#include "base/auto.h"

#define POOL_MAX 64
#define POOL_NAMESAKES_MAX 4

struct pool; /* counted; any thread, concurrently */

MUST_USE struct pool *pool_new(void); /* NULL: no memory */
struct pool *pool_ref(struct pool *pool);
void pool_unref(struct pool *pool);
/* Puts the intermediates of a verified path (leaf first, root last) into the pool. Only for peers
 * that were admitted in the end: what is in the pool is tried for others. */
void pool_remember(struct pool *pool, STACK_OF(X509) *path);
/* The one that issued `certificate`, or NULL: of namesakes the one whose key signed it, and a lone
 * one unchecked, for who uses it checks. *left is lowered by what checking signatures costs here
 * and there (key_limits.h); what it does not cover is not done. Owned: X509_free. */
X509 *pool_find_issuer(struct pool *pool, X509 *certificate, unsigned *left);
/* Appends what it holds, each with a reference of its own: for who looks for the signer of a CRL.
 * False: no memory. */
MUST_USE bool pool_append(struct pool *pool, STACK_OF(X509) *certificates);

#endif
