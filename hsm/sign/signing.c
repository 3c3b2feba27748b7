/* SPDX-License-Identifier: Apache-2.0 */
#include "sign/signing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fork.h"
#include "base/report.h"
#include "key/key_ladder.h"
#include "key/key_ways.h"

static void free_job(struct job *job)
{
    signing_free((struct hsm_signing *)job);
}

void signing_free(struct hsm_signing *signing)
{
    hsm_key_unref(signing->key);
    free(signing);
}

struct hsm_signing *signing_new(struct hsm_key *key, struct signers *signers,
                                const struct scheme *scheme, const unsigned char *input, size_t len)
{
    struct hsm_signing *signing = calloc(1, sizeof(*signing) + len);

    if (signing == NULL) {
        return NULL;
    }
    memcpy(signing->input, input, len);
    signing->len = len;
    signing->scheme = *scheme;
    if (!key_prepare(key, &signing->scheme, signing->input, len, &signing->what)) {
        free(signing);
        return NULL;
    }
    hsm_key_ref(key);
    signing->key = key;
    signing->signers = signers;
    signing->forks = fork_count();
    signing->job.free = free_job;
    signing->job.owner = key;
    signing->job.inbound = key->inbound;
    signing->raw_len = sizeof(signing->raw);
    signing->err.struct_size = sizeof(signing->err);
    return signing;
}

void signing_make(struct hsm_signing *signing)
{
    signing->rv = key_ladder_sign(signing->key, &signing->what, signing->raw, &signing->raw_len,
                                  &signing->err);
    probe_teach_breaker(signing);
}

CK_RV signing_report_away(const struct hsm_key *key, nk_error *err)
{
    report(err, NK_E_TOKEN, "token \"%s\" has stopped answering; it is tried in the background",
           key->label);
    return CKR_NODEKEY_AWAY;
}

static CK_RV report_overdue(struct hsm_key *key, struct signers *signers, long long began_ms,
                            nk_error *err)
{
    char why[64];

    snprintf(why, sizeof(why), "no answer for %u ms", key_patience_ms(key));
    /* A call that waited long for its turn has not hung long. */
    long long now_ms = clock_now_ms();
    bool hangs = now_ms - began_ms >= key_patience_ms(key) / 2;
    if (hangs && breaker_hang(signers_breaker(signers), began_ms, now_ms)) {
        if (!atomic_load(&key->shut)) { /* else a close that waited less has left us behind */
            probe_tell_open(key, why);
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

CK_RV signing_report(struct hsm_key *key, struct signers *signers, enum signers_answer answer,
                     long long began_ms, nk_error *err)
{
    switch (answer) {
    case SIGNERS_LEFT:
        return report_overdue(key, signers, began_ms, err);
    case SIGNERS_CALLED_OFF:
        return signing_report_away(key, err);
    case SIGNERS_FAILED:
        report(err, NK_E_NOMEM, "no thread can be made for token \"%s\"", key->label);
        return CKR_HOST_MEMORY;
    case SIGNERS_BUSY:
    case SIGNERS_DONE:
        break;
    }
    return report_busy(key, err);
}
