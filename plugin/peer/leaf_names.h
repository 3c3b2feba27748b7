/* SPDX-License-Identifier: Apache-2.0
 * Names of a leaf, and the storage behind them. For peer.c, and for what a request asks for. */
#ifndef NODEKEY_LEAF_NAMES_H
#define NODEKEY_LEAF_NAMES_H

#include <openssl/x509.h>

#include "base/auto.h"
#include "nodekey/plugin.h"
#include "rules/traits.h"

#define NAMES_COMMON_NAME_MAX_BYTES 255

struct names_storage { /* zeroed: empty */
    char **texts;
    nk_name *names;
    size_t room; /* of both */
    char common_name[NAMES_COMMON_NAME_MAX_BYTES + 1];
};

/* [one] Fills storage and the names of `facts`, which borrow from it. NK_E_PEER: a name can be read
 * in two ways, or is none of its kind; NK_E_NOMEM. Also after a failure: leaf_names_clear. */
MUST_USE nk_status leaf_names_read(const X509 *leaf, struct names_storage *storage, nk_peer *facts,
                                   nk_error *err);
void leaf_names_clear(struct names_storage *storage);

#endif
