/* SPDX-License-Identifier: Apache-2.0
 * The names of a leaf, and the storage behind them. Private to peer.c. */
#ifndef NODEKEY_LEAF_NAMES_H
#define NODEKEY_LEAF_NAMES_H

#include <openssl/x509.h>

#include "base/auto.h"
#include "nodekey/plugin.h"
#include "rules/traits.h"

#define NAMES_COMMON_NAME_MAX_BYTES 255

struct names_storage { /* zeroed: empty */
    char *texts[TRAITS_NAMES_MAX];
    nk_name names[TRAITS_NAMES_MAX];
    char common_name[NAMES_COMMON_NAME_MAX_BYTES + 1];
};

/* Fills storage and what `facts` says of names, which borrows from it. A name that can be read in
 * two ways, or is none of its kind, is NK_E_PEER. After a failure storage is still to be cleared.
 */
MUST_USE nk_status leaf_names_read(const X509 *leaf, struct names_storage *storage, nk_peer *facts,
                                   nk_error *err);
void leaf_names_clear(struct names_storage *storage);

#endif
