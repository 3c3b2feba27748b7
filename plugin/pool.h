/* SPDX-License-Identifier: Apache-2.0
 * Intermediates that once lay on the path of an admitted peer, for those who leave them out: a
 * resumed connection shows the leaf alone. Candidates only, never trusted, never leaves: bounded,
 * and nothing per peer. Outlives the generations of a policy. */
#ifndef NODEKEY_POOL_H
#define NODEKEY_POOL_H

#include <stdbool.h>

#include <openssl/x509.h>

#include "auto.h"

#define POOL_MAX 64

struct pool; /* counted; any thread, concurrently */

MUST_USE struct pool *pool_new(void); /* NULL: no memory */
struct pool *pool_ref(struct pool *pool);
void pool_unref(struct pool *pool);
/* Puts the intermediates of a verified path (leaf first, root last) into the pool. Only for peers
 * that were admitted in the end: what is in the pool is tried for others. */
void pool_remember(struct pool *pool, STACK_OF(X509) *path);
/* Appends what it holds, each with a reference of its own. False: no memory. */
MUST_USE bool pool_append(struct pool *pool, STACK_OF(X509) *certificates);

#endif
