/* SPDX-License-Identifier: Apache-2.0
 * What `open` says about grpc.lent_threads. No gRPC call: it may not be initialised yet. */
#ifndef NODEKEY_POLLING_ADVICE_H
#define NODEKEY_POLLING_ADVICE_H

#include <stdbool.h>

#include "config/config.h"
#include "nodekey/plugin.h"

/* Warns of a token that takes over 5 ms for a signature without lent threads, and says how many it
 * wants; of more threads than can sign; and of a poller under which lending does not help. Where
 * polling threads do not sign, of any lent. */
void polling_advice_say(const struct config *config, unsigned signature_us, bool pollers_sign,
                        const nk_host *host);

#endif
