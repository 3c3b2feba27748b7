/* SPDX-License-Identifier: Apache-2.0
 * The proof that `open` asks of a key before a handshake does: a signature for each TLS scheme. */
#ifndef NODEKEY_KEY_PREFLIGHT_H
#define NODEKEY_KEY_PREFLIGHT_H

#include "key/key.h"

/* Finds the key and proves it by every scheme that TLS may ask of it; settles its ways. */
MUST_USE nk_status key_prove_all(struct hsm_key *key, nk_error *err);

#endif
