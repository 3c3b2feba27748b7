/* SPDX-License-Identifier: Apache-2.0
 * Revocation lists of one policy generation, and whether a key of a path signed one: checked once
 * for each list and key. */
#ifndef NODEKEY_CHAIN_LISTS_H
#define NODEKEY_CHAIN_LISTS_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/x509.h>

#include "base/auto.h"
#include "trust/crl.h"

struct chain_lists; /* any thread, concurrently */

/* [any] Takes a reference to `crls`, which may be NULL: no lists. Returns NULL: no memory; else
 * owned: chain_lists_free. */
MUST_USE struct chain_lists *chain_lists_new(struct crls *crls);
/* [any] NULL is allowed. */
void chain_lists_free(struct chain_lists *lists);
/* [any] */
size_t chain_lists_len(const struct chain_lists *lists);
/* [any] `i` is below chain_lists_len. Borrowed: lives as long as `lists`. */
const struct crl *chain_lists_at(const struct chain_lists *lists, size_t i);
/* [any] Whether a certificate of `path` above `number` that bears the list's issuer name signed
 * list `i`. The root may have signed for itself. *wasted grows by the cost of each key that did
 * not; above CHAIN_LISTS_WASTE_MAX no other key is tried: the owner of such keys may be a member
 * that names its CAs after others, and a long list costs milliseconds. */
#define CHAIN_LISTS_WASTE_MAX ((size_t)2 * 1024 * 1024)
MUST_USE bool chain_lists_signed(struct chain_lists *lists, size_t i, STACK_OF(X509) *path,
                                 int number, size_t *wasted);

#endif
