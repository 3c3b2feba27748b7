/* SPDX-License-Identifier: Apache-2.0 */
#include "sign/key_deadline.h"

#include <string.h>

#include "base/exit_gate.h"
#include "sign/signing.h"

static void run_lent(struct job *job)
{
    struct hsm_signing *signing = (struct hsm_signing *)job;

    exit_gate_take_over();
    signing_make(signing);
    key_end_use(signing->key);
    exit_gate_leave();
}

static CK_RV give_to_worker(struct hsm_key *key, struct hsm_signing *signing,
                            struct signers *signers, unsigned char *raw, CK_ULONG *ret_len,
                            nk_error *err)
{
    long long began_ms = 0;

    signing->job.run = run_lent;
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
    if (began_ms == 0) { /* the signing is gone */
        exit_gate_take_back();
        key_end_use(key);
    }
    return signing_report(key, signers, answer, began_ms, err);
}

CK_RV key_sign_by_deadline(struct hsm_key *key, const struct scheme *scheme,
                           const unsigned char *input, size_t len,
                           unsigned char raw[SIGNATURE_MAX_BYTES], CK_ULONG *ret_len, nk_error *err)
{
    struct signers *signers = key->signers;
    CK_RV rv = CKR_HOST_MEMORY;

    if (breaker_is_open(signers_breaker(signers))) {
        probe_send(key, signers, scheme, input, len);
        return signing_report_away(key, err);
    }
    struct hsm_signing *signing = signing_new(key, signers, scheme, input, len);
    if (signing == NULL) {
        return rv;
    }
    rv = give_to_worker(key, signing, signers, raw, ret_len, err);
    if (rv != CKR_OK &&
        breaker_is_open(signers_breaker(signers))) { /* probing need not wait for the next caller */
        probe_send(key, signers, scheme, input, len);
    }
    return rv;
}
