/* SPDX-License-Identifier: Apache-2.0 */
#include "wait/breaker.h"

void breaker_init(struct breaker *breaker)
{
    *breaker = (struct breaker){ .errors = 0 };
    pthread_mutex_init(&breaker->lock, NULL);
}

void breaker_clear(struct breaker *breaker)
{
    pthread_mutex_destroy(&breaker->lock);
}

void breaker_renew_locked(struct breaker *breaker)
{
    breaker->errors = 0;
    breaker->heard_ms = 0;
    breaker->open = false;
    breaker->prober = 0;
    breaker->probing_ms = 0;
}

bool breaker_is_open(struct breaker *breaker)
{
    return atomic_load(&breaker->open);
}

static bool trip_locked(struct breaker *breaker, bool enough, long long now_ms)
{
    if (!enough || breaker->open) {
        return false;
    }
    breaker->open = true;
    breaker->opened_ms = now_ms;
    breaker->backoff_ms = BREAKER_BACKOFF_MIN_MS;
    return true;
}

bool breaker_error(struct breaker *breaker, long long now_ms)
{
    pthread_mutex_lock(&breaker->lock);
    breaker->errors++;
    bool opened = trip_locked(breaker, breaker->errors >= BREAKER_ERRORS, now_ms);
    pthread_mutex_unlock(&breaker->lock);
    return opened;
}

bool breaker_hang(struct breaker *breaker, long long began_ms, long long now_ms)
{
    pthread_mutex_lock(&breaker->lock);
    breaker->errors++;
    /* Where others were answered meanwhile, it may be one session alone; else the token is mute. */
    bool mute = breaker->heard_ms < began_ms;
    bool opened = trip_locked(breaker, mute || breaker->errors >= BREAKER_ERRORS, now_ms);
    pthread_mutex_unlock(&breaker->lock);
    return opened;
}

bool breaker_success(struct breaker *breaker, long long now_ms, long long *ret_open_ms)
{
    pthread_mutex_lock(&breaker->lock);
    bool closed = breaker->open;
    if (closed) {
        *ret_open_ms = now_ms - breaker->opened_ms;
    }
    breaker->open = false;
    breaker->errors = 0;
    breaker->heard_ms = now_ms;
    breaker->prober = 0;
    pthread_mutex_unlock(&breaker->lock);
    return closed;
}

unsigned breaker_probe_claim(struct breaker *breaker, unsigned patience_ms, long long now_ms)
{
    unsigned ticket = 0;

    pthread_mutex_lock(&breaker->lock);
    long long patience = patience_ms > breaker->backoff_ms ? patience_ms : breaker->backoff_ms;
    bool hangs = breaker->probing_ms != 0 && now_ms - breaker->probing_ms > patience;
    if (breaker->open && (breaker->prober == 0 || hangs)) {
        ticket = ++breaker->tickets;
        breaker->prober = ticket;
        breaker->probing_ms = 0;
    }
    pthread_mutex_unlock(&breaker->lock);
    return ticket;
}

bool breaker_probe_wait(struct breaker *breaker, unsigned ticket, unsigned *ret_wait_ms)
{
    pthread_mutex_lock(&breaker->lock);
    bool turn = breaker->prober == ticket;
    if (turn) {
        breaker->probing_ms = 0;
        *ret_wait_ms = breaker->backoff_ms;
        breaker->backoff_ms *= 2;
        if (breaker->backoff_ms > BREAKER_BACKOFF_MAX_MS) {
            breaker->backoff_ms = BREAKER_BACKOFF_MAX_MS;
        }
    }
    pthread_mutex_unlock(&breaker->lock);
    return turn;
}

void breaker_probe_begins(struct breaker *breaker, unsigned ticket, long long now_ms)
{
    pthread_mutex_lock(&breaker->lock);
    if (breaker->prober == ticket) {
        breaker->probing_ms = now_ms;
    }
    pthread_mutex_unlock(&breaker->lock);
}

void breaker_probe_done(struct breaker *breaker, unsigned ticket)
{
    pthread_mutex_lock(&breaker->lock);
    if (breaker->prober == ticket) {
        breaker->prober = 0;
        breaker->probing_ms = 0;
    }
    pthread_mutex_unlock(&breaker->lock);
}
