/* SPDX-License-Identifier: Apache-2.0
 * A peer and the validated path of its leaf: all that rules ask, while the peer itself stays what
 * it showed. */
#ifndef NODEKEY_CERTIFIED_H
#define NODEKEY_CERTIFIED_H

#include <stdbool.h>

#include <openssl/x509.h>

#include "base/auto.h"
#include "peer/peer.h"
#include "rules/traits.h"

/* Owns nothing, points into the peer and the path, and `traits` points into the struct itself: it
 * is never copied, and ends before they do. [one] */
struct certified {
    const struct peer *peer;
    struct traits traits;
    uint8_t issuer_spki_sha256[NK_SHA256_BYTES];
};

/* [any] Begins with a peer whose path is not validated: both traits of the path are unknown. */
void certified_begin(const struct peer *peer, struct certified *ret_certified);
/* [any] Adds the traits of `path`, leaf to root, and the policies that are valid for it. False: the
 * path is empty or a hash failed; then the peer must not be judged, and both stay unknown. */
MUST_USE bool certified_add_path(struct certified *certified, STACK_OF(X509) *path,
                                 char *const *policies, size_t policies_len);

#endif
