/* SPDX-License-Identifier: Apache-2.0
 * Why a chain does not hold. */
#ifndef NODEKEY_CHAIN_FAILURE_H
#define NODEKEY_CHAIN_FAILURE_H

#include <stdbool.h>

#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "base/auto.h"
#include "chain/reasons.h"
#include "nodekey/plugin.h"

struct chain_failure {
    enum reason reason;
    int depth; /* 0: the leaf */
    char detail[NK_DETAIL_BYTES];
};

/* [any] Always false, so that a check ends with it. The detail is the problem, which is cut if it
 * must, and the culprit's subject. */
bool chain_failure_set(struct chain_failure *failure, enum reason reason, int depth,
                       const X509 *culprit, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* [any] Always false: REASON_INTERNAL. */
bool chain_failure_no_memory(struct chain_failure *failure);
/* [any] After X509_verify_cert: what it ended with. `shown` is the leaf as the peer sent it. */
void chain_failure_read(X509_STORE_CTX *ctx, const X509 *shown, struct chain_failure *ret_failure);

#endif
