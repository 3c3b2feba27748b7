/* SPDX-License-Identifier: Apache-2.0
 * Traits of a leaf and of its path, and the storage behind them. Private to peer.c. */
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
    uint8_t issuer_spki_sha256[NK_SHA256_BYTES];
    char **policies;
    size_t policies_len;
};

/* Fills storage and the members of `traits` that come from the leaf. What a rule matches and cannot
 * be read is NK_E_PEER. */
MUST_USE nk_status leaf_traits_read(X509 *leaf, struct traits_storage *storage,
                                    struct traits *traits, nk_error *err);
/* Copies what the path, leaf to root, says. False: no memory, or a hash failed; then the traits of
 * the path are unknown. */
MUST_USE bool leaf_traits_set_path(STACK_OF(X509) *path, char *const *policies, size_t policies_len,
                                   struct traits_storage *storage, struct traits *traits);
void leaf_traits_forget_path(struct traits_storage *storage, struct traits *traits);
void leaf_traits_clear(struct traits_storage *storage, struct traits *traits);
MUST_USE bool leaf_traits_hash_spki(X509 *certificate, uint8_t ret_digest[NK_SHA256_BYTES]);

#endif
