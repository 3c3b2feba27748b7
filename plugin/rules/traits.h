/* SPDX-License-Identifier: Apache-2.0
 * Facts that rules ask about a peer, beyond what hosts are told. No judgement. */
#ifndef NODEKEY_TRAITS_H
#define NODEKEY_TRAITS_H

#include <stddef.h>
#include <stdint.h>

#include "nodekey/plugin.h"

#define TRAITS_NAMES_MAX 64        /* of one leaf */
#define TRAITS_SERIAL_MAX_BYTES 20 /* RFC 5280 section 4.1.2.2 */
#define TRAITS_USAGES_MAX 32
#define TRAITS_OID_MAX_BYTES 64 /* of its DER content */

/* Facts of one peer, all borrowed. A fact that is NULL, "" or negative is unknown, and no rule
 * matches by it: deny and admit are asked only after the path has been validated and the two facts
 * of it are there. */
struct traits {
    const nk_peer *peer;
    const char *serial;   /* lower-case hex without leading zeros; "-" before a negative one */
    const char *key_type; /* "RSA-3072", "P-256", "Ed25519", or a name that no rule can have */
    char *const *usages;  /* the extended key usages that the leaf lists, dotted */
    size_t usages_len;
    int64_t lifetime_seconds; /* notAfter - notBefore */
    /* Facts of the validated path; NULL and empty before. */
    const uint8_t *issuer_spki_sha256; /* of the CA that issued the leaf */
    char *const *policies;             /* that RFC 5280 finds valid for the path, dotted */
    size_t policies_len;
};

#endif
