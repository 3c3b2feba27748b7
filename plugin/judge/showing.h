/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEKEY_SHOWING_H
#define NODEKEY_SHOWING_H

#include <stdint.h>

/* A peer's certificates as gRPC hands them over. Borrowed. */
struct showing {
    uint32_t role;
    const char *target; /* the dialled host, or NULL */
    const char *leaf_pem;
    const char *chain_pem;
};

#endif
