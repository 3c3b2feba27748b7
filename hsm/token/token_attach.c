/* SPDX-License-Identifier: Apache-2.0
 * Reaching a token: its slot, the anchor session, and the sessions beside it. */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/report.h"
#include "module/module_name.h"
#include "token/token_private.h"
#include "wait/bounded_call.h"

DEFINE_AUTO(CK_SLOT_ID *, free);

CK_RV token_open_session(struct token *token, CK_SESSION_HANDLE *ret_session)
{
    struct module *module = token->module;

    bounded_call_step("C_OpenSession");
    pthread_mutex_lock(&module->session_lock);
    CK_RV rv =
        module->call->C_OpenSession(token->slot, CKF_SERIAL_SESSION, NULL, NULL, ret_session);
    pthread_mutex_unlock(&module->session_lock);
    return rv;
}

void token_close_session(struct token *token, CK_SESSION_HANDLE session)
{
    struct module *module = token->module;

    bounded_call_step("C_CloseSession");
    pthread_mutex_lock(&module->session_lock);
    module->call->C_CloseSession(session);
    pthread_mutex_unlock(&module->session_lock);
}

static CK_RV list_slots(const struct module *module, CK_SLOT_ID **ret_slots, CK_ULONG *ret_len)
{
    CK_ULONG len = 0;
    bounded_call_step("C_GetSlotList");
    CK_RV rv = module->call->C_GetSlotList(CK_TRUE, NULL, &len);
    if (rv != CKR_OK) {
        return rv;
    }
    AUTO(free) CK_SLOT_ID *slots = calloc(len + 1, sizeof(*slots));
    if (slots == NULL) {
        return CKR_HOST_MEMORY;
    }
    rv = module->call->C_GetSlotList(CK_TRUE, slots, &len);
    if (rv == CKR_OK) {
        *ret_slots = slots;
        *ret_len = len;
        slots = NULL;
    }
    return rv;
}

static CK_RV find_slot(struct token *token, nk_error *err)
{
    CK_FUNCTION_LIST *call = token->module->call;
    CK_ULONG len = 0;
    AUTO(free) CK_SLOT_ID *slots = NULL;
    CK_RV rv = list_slots(token->module, &slots, &len);
    if (rv != CKR_OK) {
        report_ckr(err, NK_E_TOKEN, rv, "list the slots of %s", token->module->path);
        return rv;
    }
    bounded_call_step("C_GetTokenInfo");
    for (CK_ULONG i = 0; i < len; i++) {
        CK_TOKEN_INFO info;
        CK_SLOT_INFO slot;
        struct token_name name;
        /* A slot that does not answer must not hide the token behind it. */
        if (call->C_GetTokenInfo(slots[i], &info) != CKR_OK) {
            continue;
        }
        token_name_of(&info, &name);
        if (token_name_equal(&name, &token->name)) {
            token->slot = slots[i];
            token->slot_flags = call->C_GetSlotInfo(slots[i], &slot) == CKR_OK ? slot.flags : 0;
            return CKR_OK;
        }
    }
    char told[512];
    module_surroundings(told, sizeof(told));
    report_ckr(err, NK_E_TOKEN, CKR_TOKEN_NOT_PRESENT,
               "token \"%s\" (serial %s) is away from %s; put it back (%s)", token->name.label,
               token->name.serial, token->module->path, told);
    return CKR_TOKEN_NOT_PRESENT;
}

/* The PIN that worked may have been changed on purpose; a source that fails keeps the old one. */
void token_refresh_pin(struct token *token)
{
    if (token->generation == 0) {
        return; /* read a moment ago */
    }
    nk_status status = pin_refresh(token->pin, NULL);
    (void)status;
}

CK_RV token_attach(struct token *token, nk_error *err)
{
    unsigned epoch = atomic_load(&token->module->epoch);

    if (token->epoch == epoch) {
        return CKR_OK;
    }
    token->idle_len = 0; /* void with their epoch: the handles may already be somebody else's */
    token->open = 0;
    token->login_is_ours = false; /* it ended with the epoch */
    token->limit = token->settings.max_sessions;
    CK_RV rv = find_slot(token, err);
    if (rv != CKR_OK) {
        return rv;
    }
    token_refresh_pin(token);
    rv = token_open_session(token, &token->anchor);
    if (rv != CKR_OK) {
        report_ckr(err, NK_E_TOKEN, rv, "open a session with token \"%s\"", token->name.label);
        return rv;
    }
    rv = token_login(token, err);
    if (rv != CKR_OK) {
        token_close_session(token, token->anchor);
        return rv;
    }
    token->epoch = epoch;
    token->generation++;
    atomic_fetch_add(&token->module->attached, 1);
    return CKR_OK;
}

/* --- anew --- */

/* A number that has become void may be somebody else's by now. */
bool token_session_is_there(const struct token *token, CK_SESSION_HANDLE session)
{
    CK_SESSION_INFO info = { .slotID = token->slot };

    bounded_call_step("C_GetSessionInfo");
    CK_RV rv = token->module->call->C_GetSessionInfo(session, &info);
    return rv != CKR_SESSION_HANDLE_INVALID && rv != CKR_SESSION_CLOSED &&
           rv != CKR_CRYPTOKI_NOT_INITIALIZED && info.slotID == token->slot;
}

void token_close_if_there(struct token *token, CK_SESSION_HANDLE session)
{
    if (token_session_is_there(token, session)) {
        token_close_session(token, session);
    }
}

void token_forget_attachment(struct token *token)
{
    if (token->epoch == atomic_load(&token->module->epoch)) {
        atomic_fetch_sub(&token->module->attached, 1);
    }
    token->epoch = 0;
}

/* C_CloseAllSessions is not ours to call: others in this process may have sessions of their own. */
void token_detach(struct token *token)
{
    while (token->idle_len > 0) {
        CK_SESSION_HANDLE idle = token->idle[--token->idle_len];
        if (idle != token->anchor) { /* which may have been lent, too */
            token_close_if_there(token, idle);
        }
    }
    if (token->login_is_ours && token_session_is_there(token, token->anchor)) {
        bounded_call_step("C_Logout");
        token->module->call->C_Logout(token->anchor);
    }
    token_close_if_there(token, token->anchor);
    token->open = 0;
    token_forget_attachment(token);
}

/* A session that stayed lent could give its number to one of the next attachment, and some cards
 * are back only for those who hold none of before. Who was waited for in vain hangs, and is not
 * waited for again. */
static bool call_back_sessions(struct token *token)
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

static void tell_attached(struct token *token)
{
    token->attaching = false;
    pthread_cond_broadcast(&token->attach_changed);
    pthread_cond_broadcast(&token->session_free[OUTBOUND]);
    pthread_cond_broadcast(&token->session_free[INBOUND]);
}

CK_RV token_attach_anew(struct token *token, unsigned generation, nk_error *err)
{
    while (token->attaching) {
        pthread_cond_wait(&token->attach_changed, &token->lock);
    }
    if (token->generation != generation || token->epoch == 0) {
        return token_attach(token, err);
    }
    CK_RV rv = CKR_FUNCTION_FAILED;
    token->attaching = true;
    if (call_back_sessions(token)) {
        token_detach(token);
        rv = token_attach(token, err);
    } else {
        report_ckr(err, NK_E_TOKEN, rv, "token \"%s\": a call that hangs in it keeps its session",
                   token->name.label);
    }
    tell_attached(token);
    return rv;
}

CK_RV token_login_again(struct token *token, nk_error *err)
{
    token_refresh_pin(token);
    CK_RV rv = token_login(token, err);
    if (rv == CKR_OK) {
        token->generation++;
    }
    return rv;
}
