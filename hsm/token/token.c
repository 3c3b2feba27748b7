/* SPDX-License-Identifier: Apache-2.0
 * Who shares a token: the first user attaches to it, the last one gives it back. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/exit_gate.h"
#include "base/report.h"
#include "base/words.h"
#include "token/token_private.h"
#include "wait/bounded_call.h"
#include "wait/signers.h"

pthread_mutex_t token_registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct token *registry; /* guarded by token_registry_lock */

struct token *token_first_locked(void)
{
    return registry;
}

static struct token *new_token(struct module *module, const struct token_name *name,
                               const struct token_terms *terms)
{
    struct token *token = calloc(1, sizeof(*token));

    if (token == NULL) {
        return NULL;
    }
    token->idle = calloc(terms->settings.max_sessions, sizeof(*token->idle));
    token->state_dir = terms->state_dir != NULL ? strdup(terms->state_dir) : NULL;
    if (token->idle == NULL || (terms->state_dir != NULL && token->state_dir == NULL)) {
        free(token->idle);
        free(token->state_dir);
        free(token);
        return NULL;
    }
    token->module = module;
    token->name = *name;
    token->settings = terms->settings;
    pthread_mutex_init(&token->lock, NULL);
    clock_cond_init(&token->session_free[OUTBOUND]);
    clock_cond_init(&token->session_free[INBOUND]);
    clock_cond_init(&token->attach_changed);
    return token;
}

static void destroy_token(struct token *token)
{
    signers_close(token->signers);
    pin_free(token->pin);
    pthread_cond_destroy(&token->session_free[OUTBOUND]);
    pthread_cond_destroy(&token->session_free[INBOUND]);
    pthread_cond_destroy(&token->attach_changed);
    pthread_mutex_destroy(&token->lock);
    free(token->idle);
    free(token->state_dir);
    free(token);
}

static struct token *find_or_add_token(struct module *module, const struct token_name *name,
                                       const struct token_terms *terms)
{
    pthread_mutex_lock(&token_registry_lock);
    struct token *token = registry;
    while (token != NULL && (token->module != module || !token_name_equal(&token->name, name))) {
        token = token->next;
    }
    if (token == NULL && (token = new_token(module, name, terms)) != NULL) {
        token->next = registry;
        registry = token;
    }
    if (token != NULL) {
        token->users++;
    }
    pthread_mutex_unlock(&token_registry_lock);
    return token;
}

struct token *token_share(struct token *token)
{
    pthread_mutex_lock(&token_registry_lock);
    token->users++;
    pthread_mutex_unlock(&token_registry_lock);
    return token;
}

/* A user who is not the last takes no join_lock: a thread that hangs in an open holds it. */
static bool leave_to_others(struct token *token)
{
    pthread_mutex_lock(&token_registry_lock);
    bool several = token->users > 1;
    token->users -= several ? 1 : 0;
    pthread_mutex_unlock(&token_registry_lock);
    return several;
}

/* True: the caller was the last user and must destroy the token. */
static bool remove_user(struct token *token)
{
    pthread_mutex_lock(&token_registry_lock);
    bool last = --token->users == 0;
    struct token **link = &registry;
    while (last && *link != token) {
        link = &(*link)->next;
    }
    if (last) {
        *link = token->next;
    }
    pthread_mutex_unlock(&token_registry_lock);
    return last;
}

/* The login is the process's, so the token would not notice that this PIN is a wrong one. It may be
 * what an interrupted change left of the one in use, or the one that its file was given since:
 * then it is proved by the next login, which reads the file, as for those who share the token. */
static bool is_pin_in_use_locked(const struct token *token, struct pin *pin)
{
    return pin_equal(token->pin, pin) || (pin_take_other(pin) && pin_equal(token->pin, pin)) ||
           (!refused_here(pin, &token->name) && pin_follows(pin, token->pin));
}

/* Takes over `pin` when nobody has logged in. Under the token's lock. */
static nk_status settle_pin_locked(struct token *token, struct pin **pin, nk_error *err)
{
    if (*pin == NULL) { /* an attempt before has taken it over */
        return NK_OK;
    }
    if (token->pin == NULL || token_pin_is_unproven_locked(token)) {
        token->former = token->pin;
        token->pin = *pin;
        *pin = NULL;
        return NK_OK;
    }
    return is_pin_in_use_locked(token, *pin)
               ? NK_OK
               : report(err, NK_E_PIN,
                        "%s: not the PIN that this process has logged in to token \"%s\" with",
                        words()->pin, token->name.label);
}

/* Under join_lock. */
static CK_RV attach_once_locked(struct token *token, struct pin **pin, nk_error *err)
{
    CK_RV rv = module_enter(token->module);
    if (rv != CKR_OK) {
        report_ckr(err, NK_E_TOKEN, rv, "enter %s", token->module->path);
        return rv;
    }
    bounded_call_step("a call of another thread");
    pthread_mutex_lock(&token->lock);
    rv = settle_pin_locked(token, pin, err) == NK_OK ? CKR_OK : CKR_PIN_INCORRECT;
    if (rv == CKR_OK) {
        rv = token_attach_locked(token, err);
    }
    if (rv == CKR_OK && token->former != NULL && !pin_has_worked(token->pin)) {
        rv = token_login_again_locked(token,
                                      err); /* attached already, by the memory of the parent */
    }
    pthread_mutex_unlock(&token->lock);
    module_leave(token->module);
    return rv;
}

/* In a child, the parent's keys go on with the parent's PIN source if the new PIN is no good, or
 * was not tried. The new PIN is the caller's again then, who may have been able to ask for it but
 * once. */
static void settle_former_pin(struct token *token, struct pin **pin, bool proven)
{
    pthread_mutex_lock(&token->lock);
    struct pin *former = token->former;
    if (former != NULL && !proven) {
        *pin = token->pin;
        token->pin = former;
        former = NULL;
    }
    token->former = NULL;
    pthread_mutex_unlock(&token->lock);
    pin_free(former);
}

/* If SoftHSM read the token's file while another process wrote it, it keeps what it read
 * (CKR_USER_PIN_NOT_INITIALIZED); no PIN was refused then. */
static bool may_be_stale(CK_RV rv)
{
    return ckr_rung(rv) != RUNG_NONE || rv == CKR_USER_PIN_NOT_INITIALIZED;
}

/* A module that went stale while nobody used it is initialised again, once. Under join_lock. */
static nk_status attach_first_locked(struct token *token, struct pin **pin, nk_error *err)
{
    unsigned epoch = token_epoch(token);
    nk_error first = { .struct_size = sizeof(first) };

    CK_RV rv = attach_once_locked(token, pin, &first);
    if (rv != CKR_OK && may_be_stale(rv) &&
        module_reinit(token->module, epoch, token->settings.login_timeout_ms) == CKR_OK) {
        first = (nk_error){ .struct_size = sizeof(first) };
        rv = attach_once_locked(token, pin, &first);
    }
    settle_former_pin(token, pin, rv == CKR_OK);
    if (rv == CKR_OK) {
        return NK_OK;
    }
    if (token->generation == 0 &&
        *pin == NULL) { /* a PIN that never worked is not the one in use */
        *pin = token->pin;
        token->pin = NULL;
    }
    report_ckr(&first, NK_E_TOKEN, rv, "reach token \"%s\"", token->name.label);
    return report_copy(err, &first);
}

nk_status token_join_by(struct module *module, const struct token_name *name,
                        const struct token_terms *terms, struct pin **pin, struct token **ret_token,
                        nk_error *err)
{
    bounded_call_step("an earlier open or close");
    pthread_mutex_lock(&module->join_lock);
    struct token *token = find_or_add_token(module, name, terms);
    nk_status status = token != NULL ? attach_first_locked(token, pin, err)
                                     : report(err, NK_E_NOMEM, "out of memory");
    if (status == NK_OK) {
        *ret_token = token;
    } else if (token != NULL && remove_user(token)) {
        destroy_token(token);
    }
    pthread_mutex_unlock(&module->join_lock);
    return status;
}

nk_status token_join(struct module *module, const struct token_name *name,
                     const struct token_terms *terms, struct token **ret_token, nk_error *err)
{
    struct pin *pin = NULL;
    nk_status status = pin_open(terms->pin, name->label, terms->host, &pin, err);
    if (status == NK_OK) {
        status = token_join_by(module, name, terms, &pin, ret_token, err);
    }
    pin_free(pin);
    return status;
}

static void detach_token(struct token *token)
{
    /* With nothing attached, a forked child need not begin with the module. */
    if (token->epoch == 0 || module_enter(token->module) != CKR_OK) {
        return;
    }
    bounded_call_step("a call of another thread");
    pthread_mutex_lock(&token->lock);
    if (token->epoch == atomic_load(&token->module->epoch)) {
        token_detach_locked(token);
    }
    pthread_mutex_unlock(&token->lock);
    module_leave(token->module);
}

/* While the process exits nothing is asked of the module any more, and a thread inside it may never
 * come back: nobody is waited for then. */
static bool lock_joins(struct module *module)
{
    if (!exit_gate_enter()) {
        return pthread_mutex_trylock(&module->join_lock) == 0;
    }
    bounded_call_step("an earlier open or close");
    pthread_mutex_lock(&module->join_lock);
    exit_gate_leave();
    return true;
}

void token_leave(struct token *token)
{
    if (leave_to_others(token)) {
        return;
    }
    pthread_mutex_t *join_lock = &token->module->join_lock;
    if (!lock_joins(token->module)) {
        return;
    }
    if (remove_user(token)) {
        detach_token(token);
        destroy_token(token);
    }
    pthread_mutex_unlock(join_lock);
}

struct signers *token_signers(struct token *token)
{
    pthread_mutex_lock(&token->lock);
    if (token->signers == NULL) {
        token->signers =
            signers_new(token->settings.max_sessions, token->settings.max_waiting_inbound);
    }
    struct signers *signers = token->signers;
    pthread_mutex_unlock(&token->lock);
    return signers;
}

struct waits *token_waits(struct token *token)
{
    return &token->waits;
}

unsigned token_epoch(const struct token *token)
{
    return atomic_load(&token->module->epoch);
}

struct module *token_module(const struct token *token)
{
    return token->module;
}

const struct token_name *token_known_as(const struct token *token)
{
    return &token->name;
}

CK_FLAGS token_slot_flags(struct token *token)
{
    pthread_mutex_lock(&token->lock);
    CK_FLAGS flags = token->slot_flags;
    pthread_mutex_unlock(&token->lock);
    return flags;
}

CK_RV token_signs_by(const struct token *token, CK_MECHANISM_TYPE mechanism)
{
    CK_MECHANISM_INFO info;
    CK_RV rv = cryptoki_get_mechanism_info(token->module->call, token->slot, mechanism, &info);

    if (rv == CKR_FUNCTION_NOT_SUPPORTED) { /* the module does not tell; the signature will */
        return CKR_OK;
    }
    return rv != CKR_OK || (info.flags & CKF_SIGN) != 0 ? rv : CKR_MECHANISM_INVALID;
}
