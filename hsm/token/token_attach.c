/* SPDX-License-Identifier: Apache-2.0
 * Reaching a token: its slot, the anchor session, and the sessions beside it. */
#include <errno.h>

#include "base/clock.h"
#include "module/module_needs.h"
#include "module/slots.h"
#include "token/token_private.h"
#include "wait/bounded_call.h"

static CK_RV find_slot_locked(struct token *token, nk_error *err)
{
    char told[512];
    CK_RV rv = slots_find(token->module, &token->name, &token->slot);

    if (rv == CKR_OK) {
        token->slot_flags = slots_flags(token->module, token->slot);
    } else if (rv == CKR_TOKEN_NOT_PRESENT) {
        module_surroundings(token->module->path, told, sizeof(told));
        report_ckr(err, NK_E_TOKEN, rv,
                   "token \"%s\" (serial %s) is away from %s; put it back (%s)", token->name.label,
                   token->name.serial, token->module->path, told);
    } else {
        report_ckr(err, NK_E_TOKEN, rv, "list the slots of %s", token->module->path);
    }
    return rv;
}

CK_RV token_attach_locked(struct token *token, nk_error *err)
{
    unsigned epoch = atomic_load(&token->module->epoch);

    if (token->epoch == epoch) {
        return CKR_OK;
    }
    token->idle_len = 0; /* the handles ended with their epoch, and may be others' by now */
    token->open = 0;
    token->login_is_ours = false; /* the login ended with the epoch, too */
    token->limit = token->settings.max_sessions;
    CK_RV rv = find_slot_locked(token, err);
    if (rv != CKR_OK) {
        return rv;
    }
    token_refresh_pin_locked(token);
    rv = session_open(token->module, token->slot, 0, &token->anchor);
    if (rv != CKR_OK) {
        report_ckr(err, NK_E_TOKEN, rv, "open a session with token \"%s\"", token->name.label);
        return rv;
    }
    rv = token_login_locked(token, err);
    if (rv != CKR_OK) {
        session_close(token->module, token->anchor);
        return rv;
    }
    token->epoch = epoch;
    token->generation++;
    atomic_fetch_add(&token->module->attached, 1);
    return CKR_OK;
}

/* --- anew --- */

void token_forget_attachment_locked(struct token *token)
{
    if (token->epoch == atomic_load(&token->module->epoch)) {
        atomic_fetch_sub(&token->module->attached, 1);
    }
    token->epoch = 0;
}

/* C_CloseAllSessions is not ours to call: others in this process may have sessions of their own. */
void token_detach_locked(struct token *token)
{
    while (token->idle_len > 0) {
        CK_SESSION_HANDLE idle = token->idle[--token->idle_len];
        if (idle != token->anchor) { /* a token of one session lends its anchor, too */
            session_close_if_there(token->module, token->slot, idle);
        }
    }
    if (token->login_is_ours && session_is_there(token->module, token->slot, token->anchor)) {
        cryptoki_logout(token->module->call, token->anchor);
    }
    session_close_if_there(token->module, token->slot, token->anchor);
    token->open = 0;
    token_forget_attachment_locked(token);
}

/* A session that stayed lent could give its number to one of the next attachment, and some cards
 * are back only for those who hold none of before. A thread that was waited for in vain hangs, and
 * is not waited for again. */
static bool call_back_sessions_locked(struct token *token)
{
    struct timespec deadline = clock_deadline(token->settings.login_timeout_ms);
    int rc = token->overstaying > 0 ? ETIMEDOUT : 0;

    bounded_call_step(NULL);
    while (token->open > token->idle_len && rc == 0) {
        rc = pthread_cond_timedwait(&token->attach_changed, &token->lock, &deadline);
    }
    bool back = token->open == token->idle_len;
    if (!back && token->overstaying == 0) {
        token->overstaying = token->open - token->idle_len;
        token->gave_up_count++;
    }
    return back;
}

static void tell_attached_locked(struct token *token)
{
    token->attaching = false;
    pthread_cond_broadcast(&token->attach_changed);
    pthread_cond_broadcast(&token->session_free[OUTBOUND]);
    pthread_cond_broadcast(&token->session_free[INBOUND]);
}

CK_RV token_attach_anew_locked(struct token *token, unsigned generation, nk_error *err)
{
    while (token->attaching) {
        pthread_cond_wait(&token->attach_changed, &token->lock);
    }
    if (token->generation != generation || token->epoch == 0) {
        return token_attach_locked(token, err);
    }
    CK_RV rv = CKR_FUNCTION_FAILED;
    token->attaching = true;
    if (call_back_sessions_locked(token)) {
        token_detach_locked(token);
        rv = token_attach_locked(token, err);
    } else {
        report_ckr(err, NK_E_TOKEN, rv, "token \"%s\": a call that hangs in it keeps its session",
                   token->name.label);
    }
    tell_attached_locked(token);
    return rv;
}
