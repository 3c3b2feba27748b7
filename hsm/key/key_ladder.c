/* SPDX-License-Identifier: Apache-2.0 */
#include "key/key_ladder.h"

#include "base/report.h"
#include "base/words.h"
#include "key/key_find.h"
#include "key/key_prove.h"
#include "key/key_ways.h"

/* The object under this login. After a re-login or a re-initialisation it is looked for again, and
 * must still sign for the certificate: a token may have been re-made under the same name. */
static CK_RV current_object(struct hsm_key *key, const struct lease *lease,
                            CK_OBJECT_HANDLE *ret_object, nk_error *err)
{
    CK_RV rv = CKR_OK;

    pthread_mutex_lock(&key->lock);
    if (key->generation != lease->generation) {
        CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
        rv = key_find(key, lease->session, &object, err);
        if (rv == CKR_OK) {
            rv = key_prove_again(key, lease->session, object, err);
        }
        if (rv == CKR_OK) {
            key->object = object;
            key->generation = lease->generation;
        }
    }
    *ret_object = key->object;
    pthread_mutex_unlock(&key->lock);
    return rv;
}

static void forget_object(struct hsm_key *key, unsigned generation)
{
    pthread_mutex_lock(&key->lock);
    if (key->generation == generation) {
        key->generation = 0;
    }
    pthread_mutex_unlock(&key->lock);
}

struct attempt {
    struct lease lease;
    bool lent; /* else the token could not even be attached to */
    CK_RV rv;
    unsigned epoch;
    nk_error err; /* a sentence, if one is known */
};

static CK_RV try_signature(struct hsm_key *key, struct to_sign *what, unsigned char *raw,
                           CK_ULONG *raw_len, struct attempt *attempt)
{
    CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;

    attempt->epoch = token_epoch(key->token);
    attempt->err.struct_size = sizeof(attempt->err);
    CK_RV rv = key->inbound ? token_take_inbound(key->token, &attempt->lease, &attempt->err)
                            : token_take(key->token, &attempt->lease, &attempt->err);
    if (rv != CKR_OK) {
        return rv;
    }
    attempt->lent = true;
    rv = current_object(key, &attempt->lease, &object, &attempt->err);
    if (rv == CKR_OK) {
        rv = key_sign_in(key, attempt->lease.session, object, what, raw, raw_len, &attempt->err);
    }
    token_give(key->token, &attempt->lease, rv == CKR_OK);
    return rv;
}

/* The next rung to climb after `rv`, or RUNG_NONE to give up. Each is higher than the last, so
 * there is no loop, which would drive a TPM into its lockout. */
static enum rung next_rung(const struct hsm_key *key, const struct attempt *attempt,
                           enum rung climbed)
{
    enum rung rung = ckr_rung(attempt->rv);

    if (rung == RUNG_NONE || climbed == RUNG_REINIT) {
        return RUNG_NONE;
    }
    rung = rung <= climbed ? climbed + 1 : rung;
    if (rung == RUNG_ATTACH && !attempt->lent) {
        return RUNG_REINIT; /* the token was looked for a moment ago */
    }
    /* All that a guest may do; it helps wherever the module itself is sound. */
    bool instead = rung == RUNG_REINIT && token_module(key->token)->guest && attempt->lent &&
                   climbed < RUNG_ATTACH;
    return instead ? RUNG_ATTACH : rung;
}

/* A climb that fails for a reason that a higher rung may mend goes on there. */
static CK_RV climb_rung(struct hsm_key *key, enum rung *rung, const struct attempt *attempt,
                        nk_error *err)
{
    if (*rung == RUNG_FIND) {
        forget_object(key, attempt->lease.generation);
    }
    /* "Put it back" says more than that a guest cannot mend it. */
    if (*rung == RUNG_REINIT && ckr_rung(attempt->rv) == RUNG_ATTACH) {
        report_copy(err, &attempt->err);
    }
    bool guest = token_module(key->token)->guest;
    CK_RV rv = token_recover(key->token, *rung, attempt->lease.generation, attempt->epoch, err);
    while (rv != CKR_OK && *rung < RUNG_REINIT && ckr_rung(rv) != RUNG_NONE) {
        bool attach = *rung < RUNG_ATTACH && (guest || ckr_rung(rv) == RUNG_ATTACH);
        *rung = attach ? RUNG_ATTACH : RUNG_REINIT;
        if (guest && ckr_rung(rv) == RUNG_REINIT) { /* who can mend it is told next */
            *err = (nk_error){ .struct_size = sizeof(*err) };
        }
        rv = token_recover(key->token, *rung, attempt->lease.generation, attempt->epoch, err);
    }
    return rv;
}

CK_RV key_ladder_sign(struct hsm_key *key, struct to_sign *what, unsigned char *raw,
                      CK_ULONG *raw_len, nk_error *err)
{
    AUTO(words_restore) const struct hsm_words *former = words_use(key->words);
    enum rung climbed = RUNG_NONE;
    CK_ULONG room = *raw_len;
    char name[CKR_NAME_BYTES];

    while (!atomic_load(&key->shut)) {
        struct attempt attempt = { .epoch = 0 };
        *raw_len = room;
        attempt.rv = try_signature(key, what, raw, raw_len, &attempt);
        if (attempt.rv == CKR_OK) {
            return CKR_OK;
        }
        enum rung rung = atomic_load(&key->shut) ? RUNG_NONE : next_rung(key, &attempt, climbed);
        if (rung == RUNG_NONE) {
            *err = attempt.err;
            return attempt.rv;
        }
        nk_error climb_err = { .struct_size = sizeof(climb_err) };
        if (climb_rung(key, &rung, &attempt, &climb_err) != CKR_OK) {
            *err = climb_err.text[0] != '\0' ? climb_err : attempt.err;
            return attempt.rv;
        }
        if (!atomic_load(&key->shut)) { /* else it was left behind, and the host may be gone */
            log_line_within(&key->log_budget, &key->host, NK_LOG_INFO, "token %s: %s; trying again",
                            key->label, ckr_name(attempt.rv, name, sizeof(name)));
        }
        climbed = rung;
    }
    return CKR_NODEKEY_SHUT;
}
