/* SPDX-License-Identifier: Apache-2.0
 * A token's key in the hands of OpenSSL. */
#ifndef NODEKEY_TOKEN_KEY_H
#define NODEKEY_TOKEN_KEY_H

#include "hsm.h"

/* The key as gRPC gets it, by its reference. hsm_provider_register comes before the key is opened.
 * *ret_key is owned: EVP_PKEY_free. NK_E_NOMEM, NK_E_INTERNAL. [any] */
MUST_USE nk_status token_key_load(const struct hsm_key *key, EVP_PKEY **ret_key, nk_error *err);

#endif
