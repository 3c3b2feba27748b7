/* SPDX-License-Identifier: Apache-2.0
 * The PIN is sent once, and not at all when that may cost the token. All under the token's lock. */
#include "base/clock.h"
#include "base/path_terms.h"
#include "base/report.h"
#include "base/words.h"
#include "pin/refused_file.h"
#include "token/token_private.h"
#include "wait/bounded_call.h"

#define LOCKED_PAUSE_MS 1000 /* not every handshake asks a locked token */

static void report_no_pin(const struct token *token, nk_error *err)
{
    report_ckr(err, NK_E_PIN, CKR_USER_PIN_NOT_INITIALIZED,
               "token \"%s\" has no user PIN yet; set one (pkcs11-tool --init-pin)",
               token->name.label);
}

/* A flag of the token says that sending the PIN may cost the token. */
static CK_RV check_flags(const struct token *token, CK_FLAGS flags, nk_error *err)
{
    static const struct {
        CK_FLAGS flag;
        CK_RV rv;
        const char *text;
    } bad[] = {
        { CKF_USER_PIN_LOCKED, CKR_PIN_LOCKED,
          "its user PIN is locked; unlock it with the SO PIN (C_InitPIN), the PIN was not sent" },
        { CKF_USER_PIN_FINAL_TRY, CKR_PIN_INCORRECT,
          "one wrong PIN more locks it, so the PIN was not sent; log in once by hand with the "
          "right "
          "PIN (pkcs11-tool --login), which clears this, then start again" },
        { CKF_USER_PIN_TO_BE_CHANGED, CKR_PIN_EXPIRED,
          "its user PIN must be changed first (pkcs11-tool --change-pin)" },
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if ((flags & bad[i].flag) != 0) {
            report_ckr(err, NK_E_PIN, bad[i].rv, "token \"%s\": %s", token->name.label,
                       bad[i].text);
            return bad[i].rv;
        }
    }
    if (pin_is_protected(token->pin) && (flags & CKF_PROTECTED_AUTHENTICATION_PATH) == 0) {
        report_ckr(err, NK_E_PIN, CKR_FUNCTION_NOT_SUPPORTED,
                   "%s.protected: token \"%s\" has no PIN pad of its own "
                   "(CKF_PROTECTED_AUTHENTICATION_PATH); give the PIN by file, credential, fd or "
                   "prompt",
                   words()->pin, token->name.label);
        return CKR_FUNCTION_NOT_SUPPORTED;
    }
    /* CKF_USER_PIN_INITIALIZED is a hint: AWS CloudHSM never sets it, and C_Login decides. */
    if ((flags & CKF_TOKEN_INITIALIZED) == 0) {
        report_no_pin(token, err);
        return CKR_USER_PIN_NOT_INITIALIZED;
    }
    return CKR_OK;
}

/* A refusal that the disk did not take is remembered by this process alone, and says so. */
static void remember_refusal_locked(struct token *token, struct refused_file *state, nk_error *err)
{
    AUTO(refused_file_close) struct refused_file *late = NULL;
    nk_error own = { .struct_size = sizeof(own) };
    nk_status status = NK_OK;

    refused_here_remember(token->pin, &token->name);
    if (token->state_dir == NULL || pin_is_protected(token->pin)) {
        return;
    }
    if (state == NULL) { /* the PIN had worked, so the file was not opened before */
        status = refused_file_open(token->state_dir, &token->name, token->settings.login_timeout_ms,
                                   &late, &own);
        state = late;
    }
    if (status == NK_OK) {
        status = refused_file_remember(state, token->pin, &own);
    }
    if (status != NK_OK) {
        report(
            err, NK_E_PIN,
            "token \"%s\" refuses the PIN of %s, and this is not remembered: %s; correct it before "
            "the next start",
            token->name.label, words()->pin, own.text);
    }
}

static void report_lockout(const struct token *token, nk_error *err)
{
    report_ckr(err, NK_E_PIN, CKR_PIN_LOCKED,
               "token \"%s\": its user PIN is locked; unlock it with the SO PIN, or clear the "
               "TPM's lockout (tpm2_dictionarylockout --clear-lockout)",
               token->name.label);
}

static bool is_locked_out(const struct token *token)
{
    return token->locked_ms != 0 && clock_now_ms() - token->locked_ms < LOCKED_PAUSE_MS;
}

/* A refusal that this process alone remembers is unknown to the next one. */
static void report_refused(const struct token *token, CK_RV rv, nk_error *err)
{
    bool protected = pin_is_protected(token->pin);
    bool forgets = !protected && token->state_dir == NULL;

    report_ckr(err, NK_E_PIN, rv, "token \"%s\" refuses the PIN %s%s%s%s%s%s", token->name.label,
               protected ? "that was typed at it" : "of ", protected ? "" : words()->pin,
               pin_has_outer_blank(token->pin) ? ", which begins or ends with a blank" : "",
               protected ? "; it will not be asked for again before the next start"
                         : "; correct it, it will not be sent again",
               forgets ? " by this process; the next would send it, unless you set " : "",
               forgets ? words()->state_dir : "");
}

static CK_RV explain_refusal_locked(struct token *token, struct refused_file *state, CK_RV rv,
                                    nk_error *err)
{
    bool protected = pin_is_protected(token->pin);

    switch (rv) {
    case CKR_PIN_INCORRECT:
    case CKR_PIN_INVALID:
    case CKR_PIN_LEN_RANGE:
        remember_refusal_locked(token, state, err);
        report_refused(token, rv, err);
        break;
    case CKR_PIN_LOCKED: /* nothing is said of the PIN; and a TPM's lockout ends by itself */
        token->locked_ms = clock_now_ms();
        report_lockout(token, err);
        break;
    case CKR_USER_PIN_NOT_INITIALIZED:
        report_no_pin(token, err);
        break;
    case CKR_GENERAL_ERROR: /* a full TPM answers this, too */
        report_ckr(
            err, NK_E_TOKEN, rv,
            "log in to token \"%s\": its module says no more; if it is a TPM without a "
            "resource manager (use /dev/tpmrm0), what processes that died left in it must be "
            "flushed (tpm2_flushcontext -t, then -l)",
            token->name.label);
        break;
    default:
        report_ckr(err, NK_E_TOKEN, rv, "log in to token \"%s\"%s", token->name.label,
                   protected ? " by its PIN pad" : "");
        break;
    }
    return rv;
}

static CK_RV report_refused_before(const struct token *token, const struct refused_file *state,
                                   nk_error *err)
{
    const char *label = token->name.label;

    if (state == NULL) {
        report_ckr(err, NK_E_PIN, CKR_PIN_INCORRECT,
                   "token \"%s\" has refused this PIN before; it is not sent again%s: correct %s",
                   label, token->state_dir == NULL ? " by this process" : "", words()->pin);
    } else {
        report_ckr(err, NK_E_PIN, CKR_PIN_INCORRECT,
                   "token \"%s\" has refused this PIN before; it is not sent again: correct "
                   "%s (if the token was given this PIN since: nodekey pin CONFIG --reset, "
                   "which removes %s)",
                   label, words()->pin, refused_file_path(state));
    }
    return CKR_PIN_INCORRECT;
}

/* CKR_NODEKEY_FORKED_PIN: the PIN is not in this process, and cannot be read again. */
static CK_RV recall_pin_locked(struct token *token, nk_error *err)
{
    if (!pin_is_lost(token->pin) || pin_refresh(token->pin, err) == NK_OK) {
        return CKR_OK;
    }
    return CKR_NODEKEY_FORKED_PIN;
}

/* A PIN that this process or one before it was refused is not sent. *ret_state may stay NULL: there
 * is no state_dir, or state_dir is of no use but the token has taken this very PIN from this
 * process. */
static CK_RV may_send_locked(struct token *token, struct refused_file **ret_state, nk_error *err)
{
    bool refused = false;
    AUTO(refused_file_close) struct refused_file *state = NULL;
    nk_error own = { .struct_size = sizeof(own) };

    CK_RV rv = recall_pin_locked(token, err);
    if (rv != CKR_OK) {
        return rv;
    }
    if (is_locked_out(token)) {
        report_lockout(token, err);
        return CKR_PIN_LOCKED;
    }
    if (refused_here(token->pin, &token->name)) {
        return report_refused_before(token, NULL, err);
    }
    if (token->state_dir == NULL || pin_is_protected(token->pin)) {
        return CKR_OK;
    }
    bounded_call_step(NULL);
    nk_status status = refused_file_open(token->state_dir, &token->name,
                                         token->settings.login_timeout_ms, &state, &own);
    if (status == NK_OK) {
        status = refused_file_refuses(state, token->pin, &refused, &own);
    }
    if (status != NK_OK && !pin_has_worked(token->pin)) {
        report_copy(err, &own);
        return CKR_FUNCTION_CANCELED;
    }
    if (refused) {
        refused_here_remember(token->pin, &token->name); /* the next look needs no scrypt */
        return report_refused_before(token, state, err);
    }
    *ret_state = state;
    state = NULL;
    return CKR_OK;
}

static CK_RV send_pin_to_locked(struct token *token, CK_SESSION_HANDLE session, CK_USER_TYPE user)
{
    bool protected = pin_is_protected(token->pin);

    CK_RV rv =
        cryptoki_login(token->module->call, session, user, protected ? NULL : pin_bytes(token->pin),
                       protected ? 0 : pin_len(token->pin));
    bounded_call_step(NULL); /* a refusal goes to the disk */
    return rv;
}

/* CKR_USER_ALREADY_LOGGED_IN is as the module says it; the caller knows what it means. */
static CK_RV try_pin_locked(struct token *token, CK_SESSION_HANDLE session, CK_USER_TYPE user,
                            nk_error *err)
{
    AUTO(refused_file_close) struct refused_file *state = NULL;
    CK_RV rv = may_send_locked(token, &state, err);
    if (rv != CKR_OK) {
        return rv;
    }
    rv = send_pin_to_locked(token, session, user);
    if (rv == CKR_OK) {
        pin_works(token->pin);
    }
    return rv == CKR_OK || (rv == CKR_USER_ALREADY_LOGGED_IN && user == CKU_USER)
               ? rv
               : explain_refusal_locked(token, state, rv, err);
}

/* --- a PIN that is changed at this moment, or whose change was interrupted --- */

static CK_RV check_flags_anew(const struct token *token, nk_error *err)
{
    CK_TOKEN_INFO info;
    CK_RV rv = cryptoki_get_token_info(token->module->call, token->slot, &info);
    if (rv != CKR_OK) {
        report_ckr(err, NK_E_TOKEN, rv, "ask token \"%s\" for its state", token->name.label);
        return rv;
    }
    return check_flags(token, info.flags, err);
}

/* After `refusal` of the PIN, which is remembered now, as `first` tells: at most one other is sent,
 * and none if one wrong PIN more would lock the token. */
static CK_RV try_other_pin_locked(struct token *token, CK_SESSION_HANDLE session, CK_USER_TYPE user,
                                  CK_RV refusal, const nk_error *first, nk_error *err)
{
    nk_error own = { .struct_size = sizeof(own) };

    if (!ckr_refuses_pin(refusal) || !pin_take_other(token->pin)) {
        report_copy(err, first);
        return refusal;
    }
    CK_RV rv = check_flags_anew(token, &own);
    rv = rv == CKR_OK ? try_pin_locked(token, session, user, &own) : rv;
    if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN) {
        pin_finish_change(token->pin);
        return rv;
    }
    report_where(&own, own.status, "%s; the PIN %s", first->text,
                 pin_is_next(token->pin) ? "of its .next file, which a change of it left"
                                         : "that it holds by now");
    report_copy(err, &own);
    nk_status status = pin_refresh(token->pin, NULL); /* back to the file's own */
    (void)status;
    return rv;
}

CK_RV token_send_pin_locked(struct token *token, CK_FLAGS flags, nk_error *err)
{
    AUTO(path_terms_restore) struct path_terms *former = path_terms_use(pin_terms(token->pin));
    nk_error first = { .struct_size = sizeof(first) };
    CK_RV rv = check_flags(token, flags, err);
    if (rv != CKR_OK) {
        return rv;
    }
    rv = try_pin_locked(token, token->anchor, CKU_USER, &first);
    if (rv != CKR_OK && rv != CKR_USER_ALREADY_LOGGED_IN) {
        rv = try_other_pin_locked(token, token->anchor, CKU_USER, rv, &first, err);
    }
    token->login_is_ours = rv == CKR_OK;
    /* The login is the process's: another user of the module may have been first. */
    return rv == CKR_USER_ALREADY_LOGGED_IN ? CKR_OK : rv;
}

/* --- the login for one signature --- */

static CK_RV authenticate_once_locked(struct token *token, CK_SESSION_HANDLE session, nk_error *err)
{
    bool refused = refused_here(token->pin, &token->name);
    if (refused) { /* the PIN may have been corrected since, and no other login is due */
        token_refresh_pin_locked(token);
        refused = refused_here(token->pin, &token->name);
    }
    /* A PIN that has not worked is new, or another user of the module has logged in. */
    if (is_locked_out(token) || !pin_has_worked(token->pin)) {
        return try_pin_locked(token, session, CKU_CONTEXT_SPECIFIC, err);
    }
    if (refused) {
        return report_refused_before(token, NULL, err);
    }
    CK_RV rv = send_pin_to_locked(token, session, CKU_CONTEXT_SPECIFIC);
    return rv == CKR_OK ? CKR_OK : explain_refusal_locked(token, NULL, rv, err);
}

/* The lock is held over the call: a login elsewhere must not exchange the PIN meanwhile. */
static CK_RV authenticate_locked(struct token *token, CK_SESSION_HANDLE session, nk_error *err)
{
    AUTO(path_terms_restore) struct path_terms *former = path_terms_use(pin_terms(token->pin));
    nk_error first = { .struct_size = sizeof(first) };
    CK_RV rv = authenticate_once_locked(token, session, &first);
    return rv == CKR_OK
               ? rv
               : try_other_pin_locked(token, session, CKU_CONTEXT_SPECIFIC, rv, &first, err);
}

CK_RV token_authenticate(struct token *token, CK_SESSION_HANDLE session, nk_error *err)
{
    pthread_mutex_lock(&token->lock);
    CK_RV rv = authenticate_locked(token, session, err);
    pthread_mutex_unlock(&token->lock);
    return rv;
}

bool token_pin_is_unproven_locked(const struct token *token)
{
    return pin_is_lost(token->pin) || (token->module->copied && !pin_has_worked(token->pin));
}

/* The PIN that worked may have been changed on purpose; a source that fails keeps the old one. */
void token_refresh_pin_locked(struct token *token)
{
    if (token->generation == 0) {
        return; /* pin_open has read it a moment ago */
    }
    nk_status status = pin_refresh(token->pin, NULL);
    (void)status;
}
