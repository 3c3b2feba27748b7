/* SPDX-License-Identifier: Apache-2.0
 * Signing: the hot path, the proof, and the ladder of recovery. */
#include <limits.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/rand.h>

#include "base/clock.h"
#include "base/exit_gate.h"
#include "base/fork.h"
#include "base/report.h"
#include "key/key.h"
#include "key/key_deadline.h"
#include "wait/bounded_call.h"

static CK_RV sign_in(const struct hsm_key *key, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                     struct to_sign *what, unsigned char *raw, CK_ULONG *raw_len, nk_error *err)
{
    CK_FUNCTION_LIST *call = token_module(key->token)->call;

    bounded_call_step("C_SignInit");
    CK_RV rv = call->C_SignInit(session, &what->mechanism, object);
    if (rv == CKR_OK && atomic_load(&key->always_authenticate)) {
        rv = token_authenticate(key->token, session, err);
    }
    if (rv != CKR_OK) {
        return rv;
    }
    bounded_call_step("C_Sign");
    return call->C_Sign(session, (CK_BYTE *)what->input, what->len, raw, raw_len);
}

static void note_time(struct hsm_key *key, long long began_us)
{
    long long took_us = clock_now_us() - began_us;

    if (key->preflight_us == 0 || took_us < key->preflight_us) {
        key->preflight_us = took_us < UINT_MAX ? (unsigned)took_us : UINT_MAX;
    }
}

CK_RV key_prove(struct hsm_key *key, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                const struct scheme_need *need, nk_error *err)
{
    unsigned char input[64];
    unsigned char raw[SIGNATURE_MAX_BYTES];
    unsigned char signature[SIGNATURE_MAX_BYTES];
    CK_ULONG raw_len = sizeof(raw);
    size_t signature_len = 0;
    struct to_sign what = { .len = 0 };
    int nid = need->scheme.digest_nid;
    size_t len =
        nid == NID_undef ? sizeof(input) : (size_t)EVP_MD_get_size(EVP_get_digestbynid(nid));

    if (RAND_bytes(input, sizeof(input)) != 1 ||
        !key_prepare(key, &need->scheme, input, len, &what)) {
        report_openssl(err, NK_E_INTERNAL, "prepare a test signature %s", need->name);
        return CKR_FUNCTION_FAILED;
    }
    long long began_us = clock_now_us();
    CK_RV rv = sign_in(key, session, object, &what, raw, &raw_len, err);
    note_time(key, began_us);
    if (rv != CKR_OK) {
        report_ckr(err, NK_E_TOKEN, rv, "token \"%s\" fails the test signature %s (%s)", key->label,
                   need->name, need->mechanism_name);
        return rv;
    }
    if (!scheme_finish(key->kind, raw, raw_len, signature, sizeof(signature), &signature_len) ||
        !scheme_verifies(key->public_key, &need->scheme, input, len, signature, signature_len)) {
        ERR_clear_error();
        report(
            err, NK_E_IDENTITY,
            "node.certificate does not match node.key: its public key does not verify what %s on "
            "token \"%s\" signs; name the certificate that was issued for this key",
            key->uri_text, key->label);
        return CKR_NODEKEY_KEY_MISMATCH;
    }
    return CKR_OK;
}

/* The object under this login. After a re-login or a re-initialisation it is looked for again, and
 * must still sign for the certificate: a token may have been re-made under the same name. */
static CK_RV current_object(struct hsm_key *key, const struct lease *lease,
                            CK_OBJECT_HANDLE *ret_object, nk_error *err)
{
    CK_RV rv = CKR_OK;

    pthread_mutex_lock(&key->lock);
    if (key->generation != lease->generation) {
        CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
        size_t needs = 0;
        rv = key_find(key, lease->session, &object, err);
        if (rv == CKR_OK) {
            rv = key_prove(key, lease->session, object, scheme_needs(key->public_key, &needs), err);
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
    bool polling; /* else the token could not even be attached to */
    CK_RV rv;
    unsigned epoch;
    nk_error err; /* a sentence, if one is known */
};

static CK_RV try_once(struct hsm_key *key, struct to_sign *what, unsigned char *raw,
                      CK_ULONG *raw_len, struct attempt *attempt)
{
    CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;

    attempt->epoch = token_epoch(key->token);
    attempt->err = (nk_error){ .struct_size = sizeof(attempt->err) };
    CK_RV rv = key->inbound ? token_take_inbound(key->token, &attempt->lease, &attempt->err)
                            : token_take(key->token, &attempt->lease, &attempt->err);
    if (rv != CKR_OK) {
        return rv;
    }
    attempt->polling = true;
    rv = current_object(key, &attempt->lease, &object, &attempt->err);
    if (rv == CKR_OK) {
        rv = sign_in(key, attempt->lease.session, object, what, raw, raw_len, &attempt->err);
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
    if (rung == RUNG_ATTACH && !attempt->polling) {
        return RUNG_REINIT; /* the token was looked for a moment ago */
    }
    /* All that a guest may do; it helps wherever the module itself is sound. */
    bool instead = rung == RUNG_REINIT && token_module(key->token)->guest && attempt->polling &&
                   climbed < RUNG_ATTACH;
    return instead ? RUNG_ATTACH : rung;
}

/* A climb that fails for a reason that a higher rung may mend goes on there. */
static CK_RV climb(struct hsm_key *key, enum rung *rung, const struct attempt *attempt,
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

CK_RV key_sign_raw(struct hsm_key *key, struct to_sign *what, unsigned char *raw, CK_ULONG *raw_len,
                   nk_error *err)
{
    enum rung climbed = RUNG_NONE;
    CK_ULONG room = *raw_len;
    char name[CKR_NAME_BYTES];

    while (!atomic_load(&key->shut)) {
        struct attempt attempt = { .epoch = 0 };
        *raw_len = room;
        attempt.rv = try_once(key, what, raw, raw_len, &attempt);
        if (attempt.rv == CKR_OK) {
            return CKR_OK;
        }
        enum rung rung = atomic_load(&key->shut) ? RUNG_NONE : next_rung(key, &attempt, climbed);
        if (rung == RUNG_NONE) {
            *err = attempt.err;
            return attempt.rv;
        }
        nk_error climb_err = { .struct_size = sizeof(climb_err) };
        if (climb(key, &rung, &attempt, &climb_err) != CKR_OK) {
            *err = climb_err.text[0] != '\0' ? climb_err : attempt.err;
            return attempt.rv;
        }
        if (!atomic_load(&key->shut)) { /* else it was left behind, and the host may be gone */
            log_line(&key->host, NK_LOG_INFO, "token %s: %s; trying again", key->label,
                     ckr_name(attempt.rv, name, sizeof(name)));
        }
        climbed = rung;
    }
    return CKR_NODEKEY_SHUT;
}

static void log_failure(struct hsm_key *key, CK_RV rv, const nk_error *err)
{
    char name[CKR_NAME_BYTES];

    /* After the close the host may be gone; and the breaker has said it once for all. */
    if (atomic_load(&key->shut) || rv == CKR_NODEKEY_AWAY) {
        return;
    }
    log_line(&key->host, NK_LOG_ERROR, "token %s: no signature: %s%s%s", key->label,
             ckr_name(rv, name, sizeof(name)), err->text[0] != '\0' ? ": " : "", err->text);
}

static CK_RV sign_directly(struct hsm_key *key, const struct scheme *scheme,
                           const unsigned char *input, size_t len, unsigned char *raw,
                           CK_ULONG *raw_len, nk_error *err)
{
    struct to_sign what = { .len = 0 };

    return key_prepare(key, scheme, input, len, &what) ? key_sign_raw(key, &what, raw, raw_len, err)
                                                       : CKR_MECHANISM_PARAM_INVALID;
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
    atomic_fetch_add(&key->uses, 1);
    CK_RV rv = CKR_NODEKEY_SHUT;
    if (!atomic_load(&key->shut)) {
        rv = key->signers == NULL
                 ? sign_directly(key, scheme, input, len, raw, &raw_len, &err)
                 : key_sign_by_deadline(key, scheme, input, len, raw, &raw_len, &err);
    }
    if (rv == CKR_OK) {
        atomic_fetch_add_explicit(&key->signatures, 1, memory_order_relaxed);
    } else if (rv != CKR_NODEKEY_SHUT) {
        log_failure(key, rv, &err);
    }
    key_end_use(key);
    exit_gate_leave();
    if (rv != CKR_OK) {
        return rv;
    }
    return scheme_finish(key->kind, raw, raw_len, signature, room, ret_len) ? CKR_OK
                                                                            : CKR_BUFFER_TOO_SMALL;
}
