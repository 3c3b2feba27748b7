/* SPDX-License-Identifier: Apache-2.0
 * The names in a leaf. Rules compare bytes, so a name is bytes that everybody reads alike, within
 * bounds that every reader knows; else the peer is refused, not guessed at. */
#ifndef NODEKEY_PEER_NAMES_H
#define NODEKEY_PEER_NAMES_H

#include <openssl/x509.h>

#include "auto.h"
#include "nodekey/plugin.h"

#define PEER_NAMES_MAX 64
#define PEER_COMMON_NAME_MAX_BYTES 255

struct peer_names { /* zeroed: none */
    char *texts[PEER_NAMES_MAX];
    nk_name names[PEER_NAMES_MAX];
    size_t len;
    char common_name[PEER_COMMON_NAME_MAX_BYTES + 1]; /* "": the subject has none */
};

/* NK_E_PEER says which name, and what is wrong with it. */
MUST_USE nk_status peer_names_read(X509 *leaf, struct peer_names *names, nk_error *err);
void peer_names_clear(struct peer_names *names);

#endif
