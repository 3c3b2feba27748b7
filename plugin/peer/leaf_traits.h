/* SPDX-License-Identifier: Apache-2.0
 * Traits of a leaf, and the storage behind them. For peer.c and certified.c. */
#ifndef NODEKEY_LEAF_TRAITS_H
#define NODEKEY_LEAF_TRAITS_H

#include <stdbool.h>

#include <openssl/x509.h>

#include "base/auto.h"
#include "nodekey/plugin.h"
#include "rules/traits.h"

#define KEY_TYPE_BYTES 48

struct traits_storage { /* zeroed: empty */
    char serial[1 + 2 * TRAITS_SERIAL_MAX_BYTES + 1];
    char key_type[KEY_TYPE_BYTES];
    char *usages[TRAITS_USAGES_MAX];
};

/* [one] Fills storage and the members of `traits` that come from the leaf, which borrow from it.
 * NK_E_PEER: a fact that rules match cannot be read; NK_E_NOMEM. Also after a failure:
 * leaf_traits_clear. */
MUST_USE nk_status leaf_traits_read(X509 *leaf, struct traits_storage *storage,
                                    struct traits *traits, nk_error *err);
void leaf_traits_clear(struct traits_storage *storage);
/* [any] RFC 7469 section 2.4. False: the hash failed. */
MUST_USE bool leaf_traits_hash_spki(const X509 *certificate, uint8_t ret_digest[NK_SHA256_BYTES]);

#endif
