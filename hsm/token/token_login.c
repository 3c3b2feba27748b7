/* SPDX-License-Identifier: Apache-2.0
 * The login, in the anchor session. */
#include <string.h>

#include "base/report.h"
#include "token/token_private.h"

/* Network tokens drop idle sessions, and other users of the module close all of them. Where the
 * anchor is closed, the idle sessions mostly are, too: each would cost a signature its retry. */
static CK_RV replace_anchor_locked(struct token *token, CK_SESSION_INFO *ret_session)
{
    const struct cryptoki *call = token->module->call;

    for (; token->idle_len > 0; token->open--) {
        CK_SESSION_HANDLE idle = token->idle[--token->idle_len];
        if (cryptoki_get_session_info(call, idle, ret_session) == CKR_OK &&
            ret_session->slotID == token->slot) {
            session_close(token->module, idle);
        }
    }
    CK_RV rv = session_open(token->module, token->slot, 0, &token->anchor);
    rv = rv == CKR_OK ? cryptoki_get_session_info(call, token->anchor, ret_session) : rv;
    return rv == CKR_OK && ret_session->slotID != token->slot
               ? cryptoki_lied(CRYPTOKI_C_GetSessionInfo,
                               "the module says slot %lu of a session that was opened in slot %lu",
                               ret_session->slotID, token->slot)
               : rv;
}

/* An open in a child must prove its PIN, though the child got its parent's login with the memory:
 * that copy is logged out. Inside a use of the module. */
static void drop_copied_login_locked(struct token *token, CK_SESSION_INFO *session)
{
    const struct module *module = token->module;

    if (token->former == NULL || !module->copied || module->guest) {
        return;
    }
    if (cryptoki_logout(module->call, token->anchor) == CKR_OK) {
        session->state = CKS_RO_PUBLIC_SESSION;
    }
}

/* No flag says whether wrong PINs are counted before one was wrong, so a token counts them unless
 * it is of a maker whose tokens are known never to lock: a false warning is better than none. */
static bool may_count_pins(const CK_TOKEN_INFO *info)
{
    static const char never[] = "SoftHSM project ";

    return memcmp(info->manufacturerID, never, strlen(never)) != 0;
}

CK_RV token_login_locked(struct token *token, nk_error *err)
{
    CK_TOKEN_INFO info;
    CK_SESSION_INFO session;
    struct token_name name;

    CK_RV rv = cryptoki_get_token_info(token->module->call, token->slot, &info);
    if (rv != CKR_OK) {
        report_ckr(err, NK_E_TOKEN, rv, "ask token \"%s\" for its state", token->name.label);
        return rv;
    }
    /* A reader's slot keeps its number when another token is put in, which must not get our PIN. */
    token_name_of(&info, &name);
    if (!token_name_equal(&name, &token->name)) {
        report_ckr(err, NK_E_TOKEN, CKR_TOKEN_NOT_PRESENT,
                   "token \"%s\" is away, \"%s\" is in its slot; put it back", token->name.label,
                   name.label);
        return CKR_TOKEN_NOT_PRESENT;
    }
    if ((info.flags & CKF_LOGIN_REQUIRED) == 0 && !token->wants_login) {
        return CKR_OK;
    }
    token->counts_pins = may_count_pins(&info);
    rv = cryptoki_get_session_info(token->module->call, token->anchor, &session);
    /* A program that has started its module anew may have a session with another token by the
     * number of our anchor: that other token must not get our PIN, either. */
    bool is_others = rv == CKR_OK && session.slotID != token->slot;
    if (rv == CKR_SESSION_HANDLE_INVALID || rv == CKR_SESSION_CLOSED || is_others) {
        rv = replace_anchor_locked(token, &session);
    }
    if (ckr_is_lie(rv)) {
        report_ckr(err, NK_E_TOKEN, rv, "ask token \"%s\" for the state of a session",
                   token->name.label);
        return rv;
    }
    if (rv == CKR_OK) {
        drop_copied_login_locked(token, &session);
    }
    if (rv == CKR_OK &&
        (session.state == CKS_RO_USER_FUNCTIONS || session.state == CKS_RW_USER_FUNCTIONS)) {
        return CKR_OK;
    }
    return token_send_pin_locked(token, info.flags, err);
}

/* Answers of a token that has no login at all: no PIN was judged. */
static bool has_no_login(CK_RV rv)
{
    return rv == CKR_USER_PIN_NOT_INITIALIZED || rv == CKR_FUNCTION_NOT_SUPPORTED ||
           rv == CKR_USER_TYPE_INVALID;
}

CK_RV token_login_unasked_locked(struct token *token, bool *ret_logged_in, nk_error *err)
{
    nk_error own = { .struct_size = sizeof(own) };
    CK_TOKEN_INFO info;

    *ret_logged_in = false;
    if (token->unasked_tried || token->module->guest) {
        return CKR_OK;
    }
    CK_RV rv = cryptoki_get_token_info(token->module->call, token->slot, &info);
    if (rv != CKR_OK || (info.flags & CKF_LOGIN_REQUIRED) != 0) {
        return rv;
    }
    token->unasked_tried = true;
    token->wants_login = true;
    rv = token_login_locked(token, &own);
    *ret_logged_in = rv == CKR_OK;
    token->wants_login = rv == CKR_OK; /* else keys that are seen without stay in use */
    if (rv == CKR_OK || has_no_login(rv)) {
        return CKR_OK;
    }
    report_copy(err, &own);
    return rv;
}

CK_RV token_login_unasked(struct token *token, bool *ret_logged_in, nk_error *err)
{
    pthread_mutex_lock(&token->lock);
    CK_RV rv = token_login_unasked_locked(token, ret_logged_in, err);
    pthread_mutex_unlock(&token->lock);
    return rv;
}

bool token_forgets_refusals(struct token *token)
{
    pthread_mutex_lock(&token->lock);
    bool forgets = token->counts_pins && token->state_dir == NULL && token->pin != NULL &&
                   !pin_is_protected(token->pin);
    pthread_mutex_unlock(&token->lock);
    return forgets;
}

CK_RV token_login_again_locked(struct token *token, nk_error *err)
{
    token_refresh_pin_locked(token);
    CK_RV rv = token_login_locked(token, err);
    if (rv == CKR_OK) {
        token->generation++;
    }
    return rv;
}
