/* SPDX-License-Identifier: Apache-2.0
 * SIGNATURE: hashing here, one signature on the token. libssl calls the init and the size query
 * twice per handshake and without need of the token, so neither touches it. */
#ifndef NODEKEY_SIGNATURE_H
#define NODEKEY_SIGNATURE_H

#include <openssl/core_dispatch.h>

/* For digests, and for messages that are hashed here; and for messages that are signed whole. */
extern const OSSL_DISPATCH signature_prehashed[];
extern const OSSL_DISPATCH signature_whole[];

#endif
