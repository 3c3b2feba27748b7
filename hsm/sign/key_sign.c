/* SPDX-License-Identifier: Apache-2.0 */
#include "sign/key_sign.h"

#include "base/clock.h"
#include "base/exit_gate.h"
#include "base/fork.h"
#include "base/report.h"
#include "key/key_ladder.h"
#include "key/key_ways.h"
#include "sign/key_deadline.h"
#include "sign/signing.h"
#include "wait/shared_threads.h"

void key_sign_count(struct hsm_key *key, CK_RV rv, const nk_error *err)
{
    char name[CKR_NAME_BYTES];

    if (rv == CKR_OK) {
        atomic_fetch_add_explicit(&key->signatures, 1, memory_order_relaxed);
        return;
    }
    /* After the close the host may be gone; and the breaker has said it once for all. */
    if (atomic_load(&key->shut) || rv == CKR_NODEKEY_SHUT || rv == CKR_NODEKEY_AWAY) {
        return;
    }
    log_line_within(&key->log_budget, &key->host, NK_LOG_ERROR, "token %s: no signature: %s%s%s",
                    key->label, ckr_name(rv, name, sizeof(name)), err->text[0] != '\0' ? ": " : "",
                    err->text);
}

static CK_RV sign_directly(struct hsm_key *key, const struct scheme *scheme,
                           const unsigned char *input, size_t len, unsigned char *raw,
                           CK_ULONG *raw_len, nk_error *err)
{
    struct to_sign what = { .len = 0 };

    if (!key_prepare(key, scheme, input, len, &what)) {
        return CKR_MECHANISM_PARAM_INVALID;
    }
    CK_RV rv = key_ladder_sign(key, &what, raw, raw_len, err);
    if (rv == CKR_OK && breaker_is_open(signers_breaker(key->signers))) {
        probe_hear(key, key->signers); /* for those who are called back */
    }
    return rv;
}

static CK_RV report_kept_free(const struct hsm_key *key, nk_error *err)
{
    report(
        err, NK_E_TOKEN,
        "token \"%s\" has not answered for %d ms, and all threads that make handshakes and answer "
        "calls wait, so further peers are refused; look after the token "
        "(token.sign_timeout_ms bounds each wait)",
        key->label, SHARED_THREADS_PATIENCE_MS);
    return CKR_NODEKEY_BUSY;
}

static CK_RV sign_in_turn(struct hsm_key *key, const struct scheme *scheme,
                          const unsigned char *input, size_t len, unsigned char *raw,
                          CK_ULONG *raw_len, nk_error *err)
{
    struct waits *waits = token_waits(key->token);

    if (!shared_threads_enter(waits, key->inbound, clock_now_ms())) {
        return report_kept_free(key, err);
    }
    CK_RV rv = key->sign_timeout_ms == 0
                   ? sign_directly(key, scheme, input, len, raw, raw_len, err)
                   : key_sign_by_deadline(key, scheme, input, len, raw, raw_len, err);
    shared_threads_leave(waits, clock_now_ms());
    return rv;
}

void hsm_share_threads(unsigned threads)
{
    shared_threads_are(threads);
}

/* Inside the exit gate. */
static bool has_thread_to_spare(struct hsm_key *key, unsigned patience_ms)
{
    rundown_begin(&key->uses);
    bool spare = atomic_load(&key->shut) ||
                 shared_threads_spare_one(token_waits(key->token), clock_now_ms(), patience_ms);
    key_end_use(key);
    return spare;
}

bool hsm_key_may_be_waited_for(struct hsm_key *key, unsigned patience_ms)
{
    if (atomic_load(&key->shut) || !exit_gate_enter()) {
        return true; /* nothing will be */
    }
    bool spare = has_thread_to_spare(key, patience_ms);
    exit_gate_leave();
    return spare;
}

CK_RV key_sign(struct hsm_key *key, const struct scheme *scheme, const unsigned char *input,
               size_t len, unsigned char *signature, size_t room, size_t *ret_len)
{
    unsigned char raw[SIGNATURE_MAX_BYTES];
    CK_ULONG raw_len = sizeof(raw);
    nk_error err = { .struct_size = sizeof(err) };

    if (!exit_gate_enter()) {
        return fork_is_foreign() ? CKR_NODEKEY_FORKED : CKR_NODEKEY_SHUT;
    }
    /* Counted before looking at `shut`, which is set before the count is looked at. */
    rundown_begin(&key->uses);
    CK_RV rv = CKR_NODEKEY_SHUT;
    if (!atomic_load(&key->shut)) {
        rv = sign_in_turn(key, scheme, input, len, raw, &raw_len, &err);
    }
    key_sign_count(key, rv, &err);
    key_end_use(key);
    exit_gate_leave();
    if (rv != CKR_OK) {
        return rv;
    }
    return scheme_finish(key->kind, raw, raw_len, signature, room, ret_len) ? CKR_OK
                                                                            : CKR_BUFFER_TOO_SMALL;
}
