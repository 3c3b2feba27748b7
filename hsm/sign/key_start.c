/* SPDX-License-Identifier: Apache-2.0
 * Signatures whose callers are called back: no thread waits for them. */
#include "base/callback.h"
#include "base/exit_gate.h"
#include "base/fork.h"
#include "base/report.h"
#include "sign/key_message.h"
#include "sign/key_sign.h"
#include "sign/signing.h"

/* --- the answer --- */

/* The worker passes the gate by itself: at exit a signature for which no thread waits need not be
 * made any more, nor does exit wait for those in the queue. */
static void run_launched(struct job *job)
{
    struct hsm_signing *signing = (struct hsm_signing *)job;

    if (exit_gate_enter()) {
        signing_make(signing);
        exit_gate_leave();
    } else {
        signing->rv = CKR_NODEKEY_SHUT;
    }
    key_end_use(signing->key);
}

/* The worker's answer, or why there is none. */
static CK_RV settle(struct hsm_signing *signing, enum signers_answer answer, nk_error *err)
{
    struct hsm_key *key = signing->key;

    if (answer == SIGNERS_DONE) {
        (void)report_copy(err, &signing->err);
        return signing->rv;
    }
    if (atomic_load(&key->shut)) {
        return CKR_NODEKEY_SHUT;
    }
    if (atomic_load(&signing->cancelled)) {
        report(err, NK_E_CLOSED, "the signature was cancelled");
        return CKR_NODEKEY_SHUT;
    }
    return signing_report(key, signing->signers, answer, signing->job.began_ms, err);
}

static void hand_over(struct hsm_signing *signing, CK_RV rv, nk_error *err)
{
    unsigned char signature[NK_SIGNATURE_BYTES];
    size_t len = 0;

    if (rv == CKR_OK && !scheme_finish(signing->key->kind, signing->raw, signing->raw_len,
                                       signature, sizeof(signature), &len)) {
        rv = CKR_BUFFER_TOO_SMALL;
    }
    key_sign_count(signing->key, rv, err);
    (void)key_message_report(signing->key, rv, err);
    if (exit_gate_enter()) { /* else the process exits, and nobody is there to be called */
        callback_enter();
        signing->done(signing->arg, signature, len, err);
        callback_leave();
        exit_gate_leave();
    }
}

/* The second use of the key lasts until the caller has been called: close waits for it. */
static void answer_caller(struct job *job, enum signers_answer answer)
{
    struct hsm_signing *signing = (struct hsm_signing *)job;
    struct hsm_key *key = signing->key;
    nk_error err = { .struct_size = sizeof(err) };

    bool began = job->began_ms != 0;
    CK_RV rv = settle(signing, answer, &err);
    if (!began) {
        key_end_use(key);
    }
    if (rv != CKR_OK && rv != CKR_NODEKEY_SHUT &&
        breaker_is_open(signers_breaker(signing->signers))) {
        probe_send(key, signing->signers, &signing->scheme, signing->input, signing->len);
    }
    hand_over(signing, rv, &err);
    key_end_use(key);
}

/* --- the start --- */

/* Inside the exit gate and a use of the key, which is not shut. */
static CK_RV launch(struct hsm_key *key, struct signers *signers, struct hsm_signing *signing,
                    nk_error *err)
{
    signing->job.run = run_launched;
    signing->job.answer = answer_caller;
    rundown_begin(&key->uses); /* for the worker */
    rundown_begin(&key->uses); /* for the answer */
    enum signers_answer answer = signers_launch(signers, &signing->job, key_patience_ms(key));
    if (answer == SIGNERS_LEFT) {
        return CKR_OK;
    }
    key_end_use(key);
    key_end_use(key);
    return signing_report(key, signers, answer, 0, err);
}

static CK_RV start_in_use(struct hsm_key *key, const struct to_hash *hashed, nk_sign_done *done,
                          void *arg, struct hsm_signing **ret_signing, nk_error *err)
{
    struct signers *signers = key->signers;

    if (breaker_is_open(signers_breaker(signers))) {
        probe_send(key, signers, &hashed->scheme, hashed->input, hashed->len);
        return signing_report_away(key, err);
    }
    struct hsm_signing *signing =
        signing_new(key, signers, &hashed->scheme, hashed->input, hashed->len);
    if (signing == NULL) {
        return CKR_HOST_MEMORY;
    }
    signing->done = done;
    signing->arg = arg;
    CK_RV rv = launch(key, signers, signing, err);
    if (rv == CKR_OK) {
        *ret_signing = signing;
    }
    return rv;
}

nk_status hsm_key_start(struct hsm_key *key, const struct hsm_message *message, nk_sign_done *done,
                        void *arg, struct hsm_signing **ret_signing, nk_error *err)
{
    struct to_hash hashed = { .len = 0 };
    struct hsm_key *ours = message->inbound ? key->inbound_key : key;

    nk_status status = key_message_read(ours, message, &hashed, err);
    if (status != NK_OK) {
        return status;
    }
    if (!exit_gate_enter()) {
        return key_message_report(ours, fork_is_foreign() ? CKR_NODEKEY_FORKED : CKR_NODEKEY_SHUT,
                                  err);
    }
    rundown_begin(&ours->uses); /* counted before looking at `shut`, as in key_sign */
    nk_error own = { .struct_size = sizeof(own) };
    CK_RV rv = atomic_load(&ours->shut) ? CKR_NODEKEY_SHUT
                                        : start_in_use(ours, &hashed, done, arg, ret_signing, &own);
    if (rv != CKR_OK) {
        key_sign_count(ours, rv, &own);
    }
    key_end_use(ours);
    exit_gate_leave();
    status = key_message_report(ours, rv, &own);
    return status == NK_OK ? NK_OK : report_copy(err, &own);
}

/* A signing of a parent process: its workers are not here, and its memory is lost with them. */
static bool is_of_parent(const struct hsm_signing *signing)
{
    return signing->forks != fork_count();
}

void hsm_signing_cancel(struct hsm_signing *signing)
{
    if (!is_of_parent(signing)) {
        atomic_store(&signing->cancelled, true);
        job_call_off(signing->signers, &signing->job);
    }
}

void hsm_signing_free(struct hsm_signing *signing)
{
    if (signing != NULL && !is_of_parent(signing)) {
        job_drop(signing->signers, &signing->job);
    }
}
