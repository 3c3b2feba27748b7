/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODEKEY_CHAIN_CHECK_H
#define NODEKEY_CHAIN_CHECK_H

#include <openssl/x509_vfy.h>

#include "chain/pool.h"

/* Application data of one X509_verify_cert, for its callbacks. Borrowed while that runs. */
struct chain_check {
    STACK_OF(X509) *roots;
    struct pool *pool;                           /* may be NULL */
    X509_STORE_CTX_verify_fn openssl_signatures; /* set by chain_signatures_spare */
};

#endif
