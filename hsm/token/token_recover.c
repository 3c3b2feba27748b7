/* SPDX-License-Identifier: Apache-2.0
 * The rungs of recovery that concern the token as a whole. */
#include "base/clock.h"
#include "base/report.h"
#include "token/token_private.h"
#include "wait/bounded_call.h"

/* The pause between restarts of a module for a token that does not come back by them. The longest
 * is also how long a handshake may fail after the cure, where only a restart shows the token. */
#define RESTART_PAUSE_MIN_MS 250
#define RESTART_PAUSE_MAX_MS 2000

static CK_RV attach_again(struct token *token, unsigned generation, nk_error *err)
{
    CK_RV rv = module_enter(token->module);
    if (rv != CKR_OK) {
        return rv;
    }
    bounded_call_step("a call of another thread");
    pthread_mutex_lock(&token->lock);
    rv = token_attach_anew_locked(token, generation, err);
    pthread_mutex_unlock(&token->lock);
    module_leave(token->module);
    return rv;
}

static CK_RV login_once(struct token *token, unsigned generation, nk_error *err)
{
    CK_RV rv = module_enter(token->module);
    if (rv != CKR_OK) {
        return rv;
    }
    pthread_mutex_lock(&token->lock);
    /* Another thread may have re-initialised the module: our anchor's number may now be a session
     * with another token, which must not get our PIN. */
    rv = token_attach_locked(token, err);
    if (rv == CKR_OK && token->generation == generation) { /* else another thread has logged in */
        bool logged_in = false;
        rv = token_login_unasked_locked(token, &logged_in, err);
        rv = rv == CKR_OK ? token_login_again_locked(token, err) : rv;
    }
    pthread_mutex_unlock(&token->lock);
    module_leave(token->module);
    return rv;
}

/* The first restart is made at once, the next ones at growing intervals, but only where they end
 * the logins of other tokens. Meanwhile the slots are searched for this one, which harms nobody. */
static CK_RV may_restart(struct token *token, unsigned epoch, nk_error *err)
{
    CK_RV rv = CKR_OK;

    pthread_mutex_lock(&token->lock);
    unsigned own = token->epoch == atomic_load(&token->module->epoch) ? 1 : 0;
    bool harms = atomic_load(&token->module->attached) > own;
    long long now_ms = clock_now_ms();
    long long wait_ms = token->restart_ms + token->restart_pause_ms - now_ms;
    if (token->restart_epoch == epoch && token->restart_pause_ms > 0) {
        rv = CKR_OK; /* a restart is under way: its result is shared */
    } else if (harms && token->restart_pause_ms > 0 && wait_ms > 0) {
        rv = CKR_NODEKEY_AWAY;
        report_ckr(
            err, NK_E_TOKEN, rv,
            "token \"%s\" does not answer; %s is not initialised again for it before %lld ms "
            "have passed, since that ends the logins of its other tokens",
            token->name.label, token->module->path, wait_ms);
    } else {
        unsigned pause_ms = 2 * token->restart_pause_ms;
        token->restart_pause_ms = pause_ms == 0                     ? RESTART_PAUSE_MIN_MS
                                  : pause_ms > RESTART_PAUSE_MAX_MS ? RESTART_PAUSE_MAX_MS
                                                                    : pause_ms;
        token->restart_ms = now_ms;
        token->restart_epoch = epoch;
    }
    pthread_mutex_unlock(&token->lock);
    return rv;
}

static CK_RV restart_module(struct token *token, unsigned epoch, nk_error *err)
{
    if (token->module->guest) {
        report(err, NK_E_TOKEN,
               "the program itself initialised %s, so only it can initialise it again",
               token->module->path);
        return CKR_FUNCTION_NOT_SUPPORTED;
    }
    if (epoch == token_epoch(token)) { /* else another thread has done it */
        CK_RV rv = may_restart(token, epoch, err);
        if (rv != CKR_OK) {
            return rv;
        }
    }
    return module_reinit(token->module, epoch, token->settings.login_timeout_ms);
}

CK_RV token_recover(struct token *token, enum rung rung, unsigned generation, unsigned epoch,
                    nk_error *err)
{
    switch (rung) {
    case RUNG_LOGIN:
        return login_once(token, generation, err);
    case RUNG_ATTACH:
        return attach_again(token, generation, err);
    case RUNG_REINIT:
        return restart_module(token, epoch, err);
    case RUNG_NONE:
    case RUNG_SESSION:
    case RUNG_FIND:
        break;
    }
    return CKR_OK;
}
