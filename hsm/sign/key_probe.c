/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/clock.h"
#include "base/exit_gate.h"
#include "base/report.h"
#include "key/key_ladder.h"
#include "sign/signing.h"

/* --- the breaker's news; the key is in use and not shut, so its host is there --- */

static void tell_closed(const struct hsm_key *key, long long open_ms)
{
    log_line(&key->host, NK_LOG_INFO, "token %s: answers again after %lld ms; signing as before",
             key->label, open_ms);
}

void probe_tell_open(const struct hsm_key *key, const char *why)
{
    log_line(&key->host, NK_LOG_ERROR,
             "token %s: %s; signatures fail at once until it answers again, which is tried every "
             "%.2f to %d s; look after the token, nodekey needs no restart",
             key->label, why, BREAKER_BACKOFF_MIN_MS / 1000.0, BREAKER_BACKOFF_MAX_MS / 1000);
}

void probe_hear(const struct hsm_key *key, struct signers *signers)
{
    long long open_ms = 0;

    if (breaker_success(signers_breaker(signers), clock_now_ms(), &open_ms) &&
        !atomic_load(&key->shut)) {
        tell_closed(key, open_ms);
    }
}

void probe_teach_breaker(const struct hsm_signing *signing)
{
    struct breaker *breaker = signers_breaker(signing->signers);
    bool tells = !atomic_load(&signing->key->shut);
    char name[CKR_NAME_BYTES];
    char why[96];

    if (signing->rv == CKR_OK) {
        probe_hear(signing->key, signing->signers);
        return;
    }
    if (ckr_rung(signing->rv) >= RUNG_ATTACH && breaker_error(breaker, clock_now_ms()) && tells) {
        snprintf(why, sizeof(why), "%d errors in a row, the last %s", BREAKER_ERRORS,
                 ckr_name(signing->rv, name, sizeof(name)));
        probe_tell_open(signing->key, why);
    }
}

/* A probe's answer is heard by no caller, and the caller whose failure opened the breaker may
 * have left before there was an answer, such as a PIN that was refused. So the log gets each new
 * one. */
static void tell_probe(struct hsm_signing *signing)
{
    char name[CKR_NAME_BYTES];

    if (signing->rv == CKR_OK || signing->rv == signing->told || atomic_load(&signing->key->shut)) {
        return;
    }
    signing->told = signing->rv;
    log_line(&signing->key->host, NK_LOG_ERROR, "token %s: tried, still no signature: %s%s%s",
             signing->key->label, ckr_name(signing->rv, name, sizeof(name)),
             signing->err.text[0] != '\0' ? ": " : "", signing->err.text);
}

/* True to go on: the token is still away. */
static bool probe_once(struct hsm_signing *signing)
{
    struct hsm_key *key = signing->key;

    if (!exit_gate_enter()) {
        return false;
    }
    rundown_begin(&key->uses);
    bool serves = !atomic_load(&key->shut);
    if (serves) {
        breaker_probe_begins(signers_breaker(signing->signers), signing->ticket, clock_now_ms());
        signing->raw_len = sizeof(signing->raw);
        signing->err.status = NK_OK;
        signing->rv =
            key_ladder_sign(key, &signing->what, signing->raw, &signing->raw_len, &signing->err);
        probe_teach_breaker(signing);
        tell_probe(signing);
    }
    key_end_use(key);
    exit_gate_leave();
    return serves && signing->rv != CKR_OK;
}

static void run_probe(struct job *job)
{
    struct hsm_signing *signing = (struct hsm_signing *)job;
    struct breaker *breaker = signers_breaker(signing->signers);
    unsigned wait_ms = 0;

    while (breaker_probe_wait(breaker, signing->ticket, &wait_ms) &&
           signers_sleep(signing->signers, wait_ms) && probe_once(signing)) {
    }
    breaker_probe_done(breaker, signing->ticket);
}

void probe_send(struct hsm_key *key, struct signers *signers, const struct scheme *scheme,
                const unsigned char *input, size_t len)
{
    struct breaker *breaker = signers_breaker(signers);
    unsigned ticket = breaker_probe_claim(breaker, key_patience_ms(key), clock_now_ms());

    if (ticket == 0) {
        return;
    }
    struct hsm_signing *signing = signing_new(key, signers, scheme, input, len);
    if (signing != NULL) {
        signing->ticket = ticket;
        signing->job.run = run_probe;
        signing->job.inbound = false; /* a probe must not wait behind inbound signatures */
        if (signers_start(signers, &signing->job)) {
            return;
        }
        signing_free(signing);
    }
    breaker_probe_done(breaker, ticket);
}
