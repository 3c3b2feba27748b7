/* SPDX-License-Identifier: Apache-2.0
 * Handshakes that are never finished. A TLS server signs before it sees who dials, so whoever
 * reaches the port can make the token sign, and gRPC does not tell of handshakes that die. Their
 * number is a difference: signatures made for inbound handshakes, less inbound handshakes that came
 * to our verifier. */
#ifndef NODEKEY_UNFINISHED_HANDSHAKES_H
#define NODEKEY_UNFINISHED_HANDSHAKES_H

#include <stdatomic.h>
#include <stdbool.h>

#include "nodekey/plugin.h"

#define UNFINISHED_LOOKS 10 /* seconds that a handshake may take and is not called unfinished */

/* Zeroed: nothing seen. One for each instance. */
struct unfinished_handshakes {
    atomic_ullong judged;
    atomic_ullong count; /* as found by the last look */

    /* of the thread that looks */
    unsigned long long looks[UNFINISHED_LOOKS];
    unsigned next;
    unsigned long long told;
    long long told_ms;
    bool ever_told;
};

/* The verifier was asked about one who dialled us, whatever it said. [any] */
void unfinished_handshakes_judged(struct unfinished_handshakes *unfinished);
/* Once a second, with the signatures made for inbound handshakes since `open`. Logs what is new, at
 * most once a minute. [one thread] */
void unfinished_handshakes_look(struct unfinished_handshakes *unfinished,
                                unsigned long long signatures, long long now_ms,
                                const nk_host *host);
/* Signatures spent on handshakes that never completed: at least so many. Never goes back, and lags
 * UNFINISHED_LOOKS seconds. The true number is higher by the connections that resumed a session,
 * which are judged without a signature: gRPC 1.51 does not let a verifier tell them from others.
 * [any] */
unsigned long long unfinished_handshakes_count(const struct unfinished_handshakes *unfinished);

#endif
