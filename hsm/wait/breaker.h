/* SPDX-License-Identifier: Apache-2.0
 * The breaker says whether a token is worth asking. It opens after BREAKER_ERRORS device errors in
 * a row, or after one call that hung while no other got an answer; from then on nobody asks but one
 * prober at a time, at growing intervals; any signature that comes back good closes the breaker.
 * All of it [any]. */
#ifndef NODEKEY_BREAKER_H
#define NODEKEY_BREAKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/auto.h"

#define BREAKER_ERRORS 3
#define BREAKER_BACKOFF_MIN_MS 250
#define BREAKER_BACKOFF_MAX_MS 10000

struct breaker {
    pthread_mutex_t lock; /* guards all below */
    unsigned errors;      /* in a row */
    long long heard_ms;   /* when the last good signature came */
    atomic_bool open;     /* written under lock */
    long long opened_ms;
    unsigned backoff_ms;
    unsigned prober;      /* the ticket of the prober; 0: there is none */
    unsigned tickets;     /* handed out */
    long long probing_ms; /* since when its call is inside; 0: it waits */
};

void breaker_init(struct breaker *breaker);
void breaker_clear(struct breaker *breaker);
/* Closed, and nobody probes. */
void breaker_renew_locked(struct breaker *breaker);

bool breaker_is_open(struct breaker *breaker);
/* True: this error opened the breaker, and the caller says so. */
MUST_USE bool breaker_error(struct breaker *breaker, long long now_ms);
/* The same for a call that began at `began_ms` and has not come back in time. */
MUST_USE bool breaker_hang(struct breaker *breaker, long long began_ms, long long now_ms);
/* True: this success closed the breaker, which was open for *ret_open_ms. */
MUST_USE bool breaker_success(struct breaker *breaker, long long now_ms, long long *ret_open_ms);

/* A caller who gets a ticket probes until breaker_probe_done; 0: not needed, or another one does. A
 * prober whose call has been inside for `patience_ms` has lost its turn. */
MUST_USE unsigned breaker_probe_claim(struct breaker *breaker, unsigned patience_ms,
                                      long long now_ms);
/* How long to wait before the next probe; grows. False: the ticket has lost its turn. */
MUST_USE bool breaker_probe_wait(struct breaker *breaker, unsigned ticket, unsigned *ret_wait_ms);
void breaker_probe_begins(struct breaker *breaker, unsigned ticket, long long now_ms);
void breaker_probe_done(struct breaker *breaker, unsigned ticket);

#endif
