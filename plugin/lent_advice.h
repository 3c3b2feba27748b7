/* SPDX-License-Identifier: Apache-2.0
 * What `open` says about grpc.lent_threads. No gRPC call: it may not be initialised yet. */
#ifndef NODEKEY_LENT_ADVICE_H
#define NODEKEY_LENT_ADVICE_H

#include "config.h"
#include "nodekey/plugin.h"

#define LENT_SLOW_US 5000u

/* How many threads, and sessions, a node with a token this slow should have. A signature costs one
 * of each for its time. */
struct lent_advice {
    unsigned threads;
    unsigned sessions;
};
struct lent_advice lent_advise(unsigned signature_us);

/* Warns of a slow token without lent threads, of more threads than can sign, and of a poller under
 * which lending does not help. */
void lent_say_advice(const struct config *config, unsigned signature_us, const nk_host *host);

#endif
