/* SPDX-License-Identifier: Apache-2.0 */
#include "key/key_deadline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/exit_gate.h"
#include "base/report.h"
#include "key/key_ladder.h"
#include "key/key_ways.h"
#include "wait/signers.h"

struct signing {
    struct job job; /* first: the workers know no more */
    struct hsm_key *key;
    struct signers *signers;
    unsigned ticket; /* of a probe; 0: a caller's signature */
    CK_RV told;      /* why the last probe failed, as it was logged */
    struct to_sign what;
    CK_RV rv;
    CK_ULONG raw_len;
    unsigned char raw[SIGNATURE_MAX_BYTES];
    nk_error err;
    unsigned char input[]; /* a copy: the caller's is gone when the caller is */
};

static void free_signing(struct job *job)
{
    struct signing *signing = (struct signing *)job;

    hsm_key_unref(signing->key);
    free(signing);
}

static struct signing *make_signing(struct hsm_key *key, struct signers *signers,
                                    const struct scheme *scheme, const unsigned char *input,
                                    size_t len)
{
    struct signing *signing = calloc(1, sizeof(*signing) + len);

    if (signing == NULL) {
        return NULL;
    }
    memcpy(signing->input, input, len);
    if (!key_prepare(key, scheme, signing->input, len, &signing->what)) {
        free(signing);
        return NULL;
    }
    hsm_key_ref(key);
    signing->key = key;
    signing->signers = signers;
    signing->job.free = free_signing;
    signing->job.inbound = key->inbound;
    signing->err.struct_size = sizeof(signing->err);
    return signing;
}

/* --- the breaker's news; the key is in use and not shut, so its host is there --- */

static void tell_closed(const struct hsm_key *key, long long open_ms)
{
    log_line(&key->host, NK_LOG_INFO, "token %s: answers again after %lld ms; signing as before",
             key->label, open_ms);
}

static void tell_open(const struct hsm_key *key, const char *why)
{
    log_line(&key->host, NK_LOG_ERROR,
             "token %s: %s; signatures fail at once until it answers again, which is tried every "
             "%.2f to %d s; look after the token, nodekey needs no restart",
             key->label, why, BREAKER_BACKOFF_MIN_MS / 1000.0, BREAKER_BACKOFF_MAX_MS / 1000);
}

/* The breaker learns from every call, also from one whose caller has left: a breaker waits for
 * calls that come back at all. */
static void teach_breaker(const struct signing *signing)
{
    struct breaker *breaker = signers_breaker(signing->signers);
    bool tells = !atomic_load(&signing->key->shut);
    char name[CKR_NAME_BYTES];
    char why[96];

    if (signing->rv == CKR_OK) {
        long long open_ms = 0;
        if (breaker_success(breaker, clock_now_ms(), &open_ms) && tells) {
            tell_closed(signing->key, open_ms);
        }
        return;
    }
    if (ckr_rung(signing->rv) >= RUNG_ATTACH && breaker_error(breaker, clock_now_ms()) && tells) {
        snprintf(why, sizeof(why), "%d errors in a row, the last %s", BREAKER_ERRORS,
                 ckr_name(signing->rv, name, sizeof(name)));
        tell_open(signing->key, why);
    }
}

/* --- on a worker --- */

static void sign_for_caller(struct job *job)
{
    struct signing *signing = (struct signing *)job;
    struct hsm_key *key = signing->key;

    exit_gate_take_over();
    signing->rv =
        key_ladder_sign(key, &signing->what, signing->raw, &signing->raw_len, &signing->err);
    teach_breaker(signing);
    key_end_use(key);
    exit_gate_leave();
}

/* A probe's answer is heard by no caller, and the caller whose failure opened the breaker may
 * have left before there was an answer, such as a PIN that was refused. So the log gets each new
 * one. */
static void tell_probe(struct signing *signing)
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
static bool probe_once(struct signing *signing)
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
        teach_breaker(signing);
        tell_probe(signing);
    }
    key_end_use(key);
    exit_gate_leave();
    return serves && signing->rv != CKR_OK;
}

static void run_probe(struct job *job)
{
    struct signing *signing = (struct signing *)job;
    struct breaker *breaker = signers_breaker(signing->signers);
    unsigned wait_ms = 0;

    while (breaker_probe_wait(breaker, signing->ticket, &wait_ms) &&
           signers_sleep(signing->signers, wait_ms) && probe_once(signing)) {
    }
    breaker_probe_done(breaker, signing->ticket);
}

/* --- on the caller's thread --- */

/* A probe asks for the signature that failed again and again, until the token makes it; the
 * signature is dropped. */
static void send_prober(struct hsm_key *key, struct signers *signers, const struct scheme *scheme,
                        const unsigned char *input, size_t len)
{
    struct breaker *breaker = signers_breaker(signers);
    unsigned ticket = breaker_probe_claim(breaker, key->sign_timeout_ms, clock_now_ms());

    if (ticket == 0) {
        return;
    }
    struct signing *signing = make_signing(key, signers, scheme, input, len);
    if (signing != NULL) {
        signing->ticket = ticket;
        signing->job.run = run_probe;
        signing->job.inbound = false; /* a probe must not wait behind inbound signatures */
        if (signers_start(signers, &signing->job)) {
            return;
        }
        free_signing(&signing->job);
    }
    breaker_probe_done(breaker, ticket);
}

static CK_RV report_away(const struct hsm_key *key, nk_error *err)
{
    report(err, NK_E_TOKEN, "token \"%s\" has stopped answering; it is tried in the background",
           key->label);
    return CKR_NODEKEY_AWAY;
}

static CK_RV report_overdue(struct hsm_key *key, struct signers *signers, long long began_ms,
                            nk_error *err)
{
    char why[64];

    snprintf(why, sizeof(why), "no answer for %u ms", key->sign_timeout_ms);
    /* A call that waited long for its turn has not hung long. */
    long long now_ms = clock_now_ms();
    bool hangs = now_ms - began_ms >= key->sign_timeout_ms / 2;
    if (hangs && breaker_hang(signers_breaker(signers), began_ms, now_ms)) {
        if (!atomic_load(&key->shut)) { /* else a close that waited less has left us behind */
            tell_open(key, why);
        }
        signers_call_off(signers);
    }
    report(err, NK_E_TOKEN, "token \"%s\": %s (token.sign_timeout_ms)", key->label, why);
    return CKR_NODEKEY_NO_ANSWER;
}

static CK_RV report_busy(const struct hsm_key *key, nk_error *err)
{
    report(err, NK_E_TOKEN,
           "token \"%s\" is busy: every session is in use and more signatures wait than it makes "
           "in token.sign_timeout_ms, or than token.max_waiting_inbound lets",
           key->label);
    return CKR_NODEKEY_BUSY;
}

static CK_RV give_to_worker(struct hsm_key *key, struct signing *signing, struct signers *signers,
                            unsigned char *raw, CK_ULONG *ret_len, nk_error *err)
{
    long long began_ms = 0;

    signing->job.run = sign_for_caller;
    signing->raw_len = sizeof(signing->raw);
    exit_gate_lend(); /* the call may outlive its caller, so it passes the gate and uses the key by
                         itself */
    rundown_begin(&key->uses);
    enum signers_answer answer =
        signers_do(signers, &signing->job, key->sign_timeout_ms, &began_ms);
    if (answer == SIGNERS_DONE) {
        CK_RV rv = signing->rv;
        memcpy(raw, signing->raw, sizeof(signing->raw));
        *ret_len = signing->raw_len;
        *err = signing->err;
        job_drop(signers, &signing->job);
        return rv;
    }
    if (began_ms == 0) {
        exit_gate_take_back();
        key_end_use(key);
    }
    switch (answer) {
    case SIGNERS_LEFT:
        return report_overdue(key, signers, began_ms, err);
    case SIGNERS_CALLED_OFF:
        return report_away(key, err);
    case SIGNERS_FAILED:
        report(err, NK_E_NOMEM, "no thread can be made for token \"%s\"", key->label);
        return CKR_HOST_MEMORY;
    case SIGNERS_BUSY:
    case SIGNERS_DONE:
        break;
    }
    return report_busy(key, err);
}

CK_RV key_sign_by_deadline(struct hsm_key *key, const struct scheme *scheme,
                           const unsigned char *input, size_t len,
                           unsigned char raw[SIGNATURE_MAX_BYTES], CK_ULONG *ret_len, nk_error *err)
{
    struct signers *signers = key->signers;
    CK_RV rv = CKR_HOST_MEMORY;

    if (breaker_is_open(signers_breaker(signers))) {
        send_prober(key, signers, scheme, input, len);
        return report_away(key, err);
    }
    struct signing *signing = make_signing(key, signers, scheme, input, len);
    if (signing == NULL) {
        return rv;
    }
    rv = give_to_worker(key, signing, signers, raw, ret_len, err);
    if (rv != CKR_OK &&
        breaker_is_open(signers_breaker(signers))) { /* probing need not wait for the next caller */
        send_prober(key, signers, scheme, input, len);
    }
    return rv;
}
