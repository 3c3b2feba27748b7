/* SPDX-License-Identifier: Apache-2.0
 * Tokens around a fork. A child uses nothing of its parent's sessions, and attaches to a token anew
 * at its first signature. The users of a token, and the keys that they found, are as before. */
#include "base/clock.h"
#include "base/fork.h"
#include "token/token_private.h"
#include "wait/signers.h"

static bool hold_token(struct token *token, long long deadline_ms)
{
    token->held = fork_lock_by(&token->lock, deadline_ms);
    return token->held && (token->signers == NULL || signers_hold(token->signers, deadline_ms));
}

static void release_token(struct token *token)
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

static void renew_token(struct token *token)
{
    if (!token->held) {
        return; /* its holder is not here: the child is foreign */
    }
    token->module->used_at_fork |= token->epoch != 0;
    token->epoch = 0;
    token->login_is_ours = false;
    token->inbound_lent = 0;
    token->attaching = false;
    token->overstaying = 0;
    token->restart_pause_ms = 0;
    token->waits.now = 0;
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

/* --- all of them, under token_registry_lock --- */

static bool hold_tokens(long long deadline_ms)
{
    bool all = true;

    for (struct token *token = token_first_locked(); token != NULL; token = token->next) {
        all &= hold_token(token, deadline_ms);
    }
    return all;
}

static void release_tokens(void)
{
    for (struct token *token = token_first_locked(); token != NULL; token = token->next) {
        release_token(token);
    }
}

static void renew_tokens(void)
{
    for (struct token *token = token_first_locked(); token != NULL; token = token->next) {
        renew_token(token);
    }
}

FORK_PART(.lock = &token_registry_lock, .hold = hold_tokens, .renew = renew_tokens,
          .release = release_tokens);
