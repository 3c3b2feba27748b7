/* SPDX-License-Identifier: Apache-2.0
 * Who gets a session, and who waits for one. */
#include "base/clock.h"
#include "token/token_private.h"
#include "wait/bounded_call.h"

/* --- sessions, under lock --- */

/* Inbound signatures do not get the last session; where there is but one, they come last. */
static bool may_take_locked(const struct token *token, bool inbound)
{
    if (!inbound) {
        return true;
    }
    return token->limit > 1 ? token->inbound_lent < token->limit - 1
                            : token->waiting[OUTBOUND] == 0;
}

/* A host that initialised the module before us may start it anew, which nobody tells us: then the
 * numbers of sessions and objects are others', and a signature by them would be another key's. */
static bool take_idle_locked(struct token *token, CK_SESSION_HANDLE *ret_session)
{
    while (token->idle_len > 0) {
        *ret_session = token->idle[--token->idle_len];
        if (!token->module->guest || session_is_there(token->module, token->slot, *ret_session)) {
            return true;
        }
        token->open--;
        token->generation++; /* the key is found and proven anew */
    }
    return false;
}

/* A new session by the anchor's number: either the anchor has ended unseen, and this is its
 * successor, or the module hands out one session twice, which another one tells. */
static CK_RV open_session_locked(struct token *token, CK_SESSION_HANDLE *ret_session)
{
    CK_RV rv = session_open(token->module, token->slot, 0, ret_session);
    if (rv == CKR_OK && *ret_session == token->anchor) {
        rv = session_open(token->module, token->slot, 0, ret_session);
    }
    return rv == CKR_OK && *ret_session == token->anchor
               ? cryptoki_lied(CRYPTOKI_C_OpenSession, "the module gave session %lu twice",
                               token->anchor)
               : rv;
}

/* A session that is idle, or a new one. CKR_NODEKEY_BUSY: not now. */
static CK_RV lend_now_locked(struct token *token, bool inbound, CK_SESSION_HANDLE *ret_session)
{
    if (token->epoch == 0) { /* detached while the caller waited */
        return CKR_SESSION_CLOSED;
    }
    if (token->attaching || !may_take_locked(token, inbound)) {
        return CKR_NODEKEY_BUSY;
    }
    if (take_idle_locked(token, ret_session)) {
        return CKR_OK;
    }
    if (token->open >= token->limit) {
        return CKR_NODEKEY_BUSY;
    }
    CK_RV rv = open_session_locked(token, ret_session);
    if (rv == CKR_SESSION_COUNT && token->open > 0) {
        token->limit = token->open; /* others use the token's sessions, too */
        return CKR_NODEKEY_BUSY;
    }
    if (rv == CKR_SESSION_COUNT) { /* the anchor is the only session: it must do */
        *ret_session = token->anchor;
        token->limit = 1;
        rv = CKR_OK;
    }
    token->open += rv == CKR_OK ? 1 : 0;
    return rv;
}

/* A session that came back is for our own dialling first. */
static void call_next_locked(struct token *token)
{
    pthread_cond_signal(&token->session_free[token->waiting[OUTBOUND] > 0 ? OUTBOUND : INBOUND]);
}

/* Waits for a session to come back. */
static CK_RV await_session_locked(struct token *token, bool inbound, CK_SESSION_HANDLE *ret_session)
{
    struct timespec deadline = clock_deadline(token->settings.login_timeout_ms);
    int line = inbound ? INBOUND : OUTBOUND;
    CK_RV rv = CKR_NODEKEY_BUSY;
    int rc = 0;

    token->waiting[line]++;
    while (rv == CKR_NODEKEY_BUSY && rc == 0) {
        rc = pthread_cond_timedwait(&token->session_free[line], &token->lock, &deadline);
        rv = lend_now_locked(token, inbound, ret_session);
    }
    token->waiting[line]--;
    return rv;
}

static CK_RV lend_locked(struct token *token, bool inbound, CK_SESSION_HANDLE *ret_session)
{
    CK_RV rv = lend_now_locked(token, inbound, ret_session);

    bounded_call_step(NULL);
    if (rv == CKR_NODEKEY_BUSY) {
        if (inbound && token->settings.max_waiting_inbound > 0 &&
            token->waiting[INBOUND] >= token->settings.max_waiting_inbound) {
            return CKR_NODEKEY_BUSY;
        }
        rv = await_session_locked(token, inbound, ret_session);
    }
    if (rv != CKR_OK) {
        call_next_locked(token); /* the next in line tries */
    }
    return rv == CKR_NODEKEY_BUSY ? CKR_SESSION_COUNT : rv;
}

static CK_RV take_session(struct token *token, bool inbound, struct lease *ret_lease, nk_error *err)
{
    CK_RV rv = module_enter(token->module);
    if (rv != CKR_OK) {
        return rv;
    }
    bounded_call_step("a call of another thread");
    pthread_mutex_lock(&token->lock);
    rv = token_attach_locked(token, err);
    if (rv == CKR_OK) {
        rv = lend_locked(token, inbound, &ret_lease->session);
    }
    if (rv == CKR_OK) {
        token->inbound_lent += inbound ? 1 : 0;
    }
    ret_lease->inbound = inbound;
    ret_lease->generation = token->generation;
    ret_lease->gave_up_count = token->gave_up_count;
    pthread_mutex_unlock(&token->lock);
    if (rv != CKR_OK) {
        module_leave(token->module);
    }
    return rv;
}

CK_RV token_take(struct token *token, struct lease *ret_lease, nk_error *err)
{
    return take_session(token, false, ret_lease, err);
}

CK_RV token_take_inbound(struct token *token, struct lease *ret_lease, nk_error *err)
{
    return take_session(token, true, ret_lease, err);
}

void token_give(struct token *token, const struct lease *lease, bool healthy)
{
    pthread_mutex_lock(&token->lock);
    token->inbound_lent -= lease->inbound ? 1 : 0;
    token->overstaying -=
        lease->gave_up_count != token->gave_up_count && token->overstaying > 0 ? 1 : 0;
    if (healthy) {
        token->restart_pause_ms = 0;
        token->idle[token->idle_len++] = lease->session;
    } else {
        session_close_if_there(token->module, token->slot, lease->session);
        token->open--;
        /* A lent anchor takes the login with it. */
        if (lease->session == token->anchor) {
            token_forget_attachment_locked(token);
        }
    }
    if (token->attaching) {
        pthread_cond_broadcast(&token->attach_changed);
    }
    call_next_locked(token);
    pthread_mutex_unlock(&token->lock);
    module_leave(token->module);
}
