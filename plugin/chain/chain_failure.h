/* SPDX-License-Identifier: Apache-2.0
 * Failure of a chain to hold: the reason, the place and the words. */
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

/* [any] Always false, so that a check can return it. The detail is the problem, cut short if need
 * be, and the subject of `culprit`, which may be NULL. */
bool chain_failure_set(struct chain_failure *failure, enum reason reason, int depth,
                       const X509 *culprit, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* [any] Always false: REASON_INTERNAL. */
bool chain_failure_no_memory(struct chain_failure *failure);
/* [any] Error with which X509_verify_cert ended. `shown` is the leaf as the peer sent it. */
void chain_failure_read(X509_STORE_CTX *ctx, const X509 *shown, struct chain_failure *ret_failure);

#endif
