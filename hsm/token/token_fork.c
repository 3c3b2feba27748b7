/* SPDX-License-Identifier: Apache-2.0 */
#include "token/token_fork.h"

#include "base/clock.h"
#include "base/fork.h"
#include "wait/signers.h"

bool token_hold(struct token *token, long long deadline_ms)
{
    token->held = fork_lock_by(&token->lock, deadline_ms);
    return token->held && (token->signers == NULL || signers_hold(token->signers, deadline_ms));
}

void token_release(struct token *token)
{
    if (!token->held) {
        return;
    }
    if (token->signers != NULL) {
        signers_release(token->signers);
    }
    token->held = false;
    pthread_mutex_unlock(&token->lock);
}

void token_renew(struct token *token)
{
    if (!token->held) {
        return; /* a foreign child */
    }
    token->module->used_at_fork |= token->epoch != 0;
    token->epoch = 0;
    token->login_is_ours = false;
    token->inbound_lent = 0;
    token->attaching = false;
    token->overstaying = 0;
    token->restart_pause_ms = 0;
    clock_cond_init(&token->attach_changed);
    for (int line = OUTBOUND; line <= INBOUND; line++) {
        token->waiting[line] = 0;
        clock_cond_init(&token->session_free[line]);
    }
    if (token->pin != NULL) {
        pin_renew(token->pin);
    }
    if (token->signers != NULL) {
        signers_renew(token->signers);
    }
}

CK_RV token_recall_pin(struct token *token, nk_error *err)
{
    if (!pin_is_lost(token->pin) || pin_refresh(token->pin, err) == NK_OK) {
        return CKR_OK;
    }
    return CKR_NODEKEY_FORKED_PIN;
}

bool token_pin_is_unproven(const struct token *token)
{
    return pin_is_lost(token->pin) || (token->module->copied && !pin_has_worked(token->pin));
}

void token_drop_copied_login(struct token *token, CK_SESSION_INFO *session)
{
    const struct module *module = token->module;

    if (token->former == NULL || !module->copied || module->guest) {
        return;
    }
    if (module->call->C_Logout(token->anchor) == CKR_OK) {
        session->state = CKS_RO_PUBLIC_SESSION;
    }
}
