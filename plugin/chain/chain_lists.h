/* SPDX-License-Identifier: Apache-2.0
 * The revocation lists of one policy generation, and whether a key of a path signed one: asked once
 * for each list and key. */
#ifndef NODEKEY_CHAIN_LISTS_H
#define NODEKEY_CHAIN_LISTS_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/x509.h>

#include "base/auto.h"
#include "trust/crl.h"

struct chain_lists; /* any thread, concurrently */

/* Takes a reference to `crls`; NULL: there are no lists. NULL: no memory. Owned: chain_lists_free.
 */
MUST_USE struct chain_lists *chain_lists_new(struct crls *crls);
void chain_lists_free(struct chain_lists *lists); /* NULL is allowed */
size_t chain_lists_len(const struct chain_lists *lists);
/* Borrowed: lives as long as `lists`. */
const struct crl *chain_lists_at(const struct chain_lists *lists, size_t i);
/* Did a certificate of `path` above `number` that bears the list's issuer name sign list `i`? The
 * root may have signed for itself. *wasted counts what keys cost that did not sign; above
 * CHAIN_LISTS_WASTE_MAX no other key is tried. */
#define CHAIN_LISTS_WASTE_MAX ((size_t)2 * 1024 * 1024)
MUST_USE bool chain_lists_signed(struct chain_lists *lists, size_t i, STACK_OF(X509) *path,
                                 int number, size_t *wasted);

#endif
