/* SPDX-License-Identifier: Apache-2.0 */
#include "token/token.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/exit_gate.h"
#include "base/fork.h"
#include "base/report.h"
#include "token/token_fork.h"
#include "token/token_private.h"
#include "wait/bounded_call.h"
#include "wait/signers.h"

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct token *registry; /* guarded by registry_lock */

static bool hold_all(long long deadline_ms)
{
    bool all = true;

    for (struct token *token = registry; token != NULL; token = token->next) {
        all &= token_hold(token, deadline_ms);
    }
    return all;
}

static void release_all(void)
{
    for (struct token *token = registry; token != NULL; token = token->next) {
        token_release(token);
    }
}

static void renew_all(void)
{
    for (struct token *token = registry; token != NULL; token = token->next) {
        token_renew(token);
    }
}

FORK_PART(.lock = &registry_lock, .hold = hold_all, .renew = renew_all, .release = release_all);

static struct token *make(struct module *module, const struct token_name *name,
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

static void destroy(struct token *token)
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

static struct token *adopt(struct module *module, const struct token_name *name,
                           const struct token_terms *terms)
{
    pthread_mutex_lock(&registry_lock);
    struct token *token = registry;
    while (token != NULL && (token->module != module || !token_name_equal(&token->name, name))) {
        token = token->next;
    }
    if (token == NULL && (token = make(module, name, terms)) != NULL) {
        token->next = registry;
        registry = token;
    }
    if (token != NULL) {
        token->users++;
    }
    pthread_mutex_unlock(&registry_lock);
    return token;
}

struct token *token_share(struct token *token)
{
    pthread_mutex_lock(&registry_lock);
    token->users++;
    pthread_mutex_unlock(&registry_lock);
    return token;
}

/* Who is not the last needs nobody's leave: another who hangs in an open must not hold him up. */
static bool is_one_of_several(struct token *token)
{
    pthread_mutex_lock(&registry_lock);
    bool several = token->users > 1;
    token->users -= several ? 1 : 0;
    pthread_mutex_unlock(&registry_lock);
    return several;
}

/* True when the caller was the last user and must destroy it. */
static bool forget(struct token *token)
{
    pthread_mutex_lock(&registry_lock);
    bool last = --token->users == 0;
    struct token **link = &registry;
    while (last && *link != token) {
        link = &(*link)->next;
    }
    if (last) {
        *link = token->next;
    }
    pthread_mutex_unlock(&registry_lock);
    return last;
}

/* Takes over `pin` when nobody has logged in. Under lock. */
static nk_status settle_pin(struct token *token, struct pin **pin, nk_error *err)
{
    if (*pin == NULL) { /* taken over by an attempt before */
        return NK_OK;
    }
    if (token->pin == NULL || token_pin_is_unproven(token)) {
        token->former = token->pin;
        token->pin = *pin;
        *pin = NULL;
        return NK_OK;
    }
    /* The login is the process's, so a wrong PIN would not be noticed: it is no key to this token.
     */
    if (!pin_equal(token->pin, *pin)) {
        return report(err, NK_E_PIN,
                      "node.pin: not the PIN that this process has logged in to token \"%s\" with",
                      token->name.label);
    }
    return NK_OK;
}

/* Under join_lock. */
static CK_RV attach_once(struct token *token, struct pin **pin, nk_error *err)
{
    CK_RV rv = module_enter(token->module);
    if (rv != CKR_OK) {
        report_ckr(err, NK_E_TOKEN, rv, "enter %s", token->module->path);
        return rv;
    }
    bounded_call_step("a call of another thread");
    pthread_mutex_lock(&token->lock);
    rv = settle_pin(token, pin, err) == NK_OK ? CKR_OK : CKR_PIN_INCORRECT;
    if (rv == CKR_OK) {
        rv = token_attach(token, err);
    }
    if (rv == CKR_OK && token->former != NULL && !pin_has_worked(token->pin)) {
        rv = token_login_again(token, err); /* attached already, by what the memory held */
    }
    pthread_mutex_unlock(&token->lock);
    module_leave(token->module);
    return rv;
}

/* In a child, the parent's keys go on with what its PIN came from if ours is no good, or was not
 * tried; then ours is its owner's again, who may have been able to ask for it but once. */
static void settle_former(struct token *token, struct pin **pin, bool proven)
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

/* SoftHSM that read the token's file while another process wrote it keeps what it read; no PIN was
 * refused then. */
static bool may_be_stale(CK_RV rv)
{
    return ckr_rung(rv) != RUNG_NONE || rv == CKR_USER_PIN_NOT_INITIALIZED;
}

/* A module that went stale while nobody used it is initialised again, once. Under join_lock. */
static nk_status attach_first(struct token *token, struct pin **pin, nk_error *err)
{
    unsigned epoch = token_epoch(token);
    nk_error first = { .struct_size = sizeof(first) };

    CK_RV rv = attach_once(token, pin, &first);
    if (rv != CKR_OK && may_be_stale(rv) &&
        module_reinit(token->module, epoch, token->settings.login_timeout_ms) == CKR_OK) {
        first = (nk_error){ .struct_size = sizeof(first) };
        rv = attach_once(token, pin, &first);
    }
    settle_former(token, pin, rv == CKR_OK);
    if (rv == CKR_OK) {
        return NK_OK;
    }
    if (token->generation == 0 && *pin == NULL) { /* one that never worked is not the one in use */
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
    struct token *token = adopt(module, name, terms);
    nk_status status =
        token != NULL ? attach_first(token, pin, err) : report(err, NK_E_NOMEM, "out of memory");
    if (status == NK_OK) {
        *ret_token = token;
    } else if (token != NULL && forget(token)) {
        destroy(token);
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

static void detach(struct token *token)
{
    /* Nothing is attached: a forked child need not begin with the module for that. */
    if (token->epoch == 0 || module_enter(token->module) != CKR_OK) {
        return;
    }
    bounded_call_step("a call of another thread");
    pthread_mutex_lock(&token->lock);
    if (token->epoch == atomic_load(&token->module->epoch)) {
        token_detach(token);
    }
    pthread_mutex_unlock(&token->lock);
    module_leave(token->module);
}

/* While the process exits nothing is asked of the module any more, and who is inside it may never
 * come back: not waited for then. */
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
    if (is_one_of_several(token)) {
        return;
    }
    pthread_mutex_t *join_lock = &token->module->join_lock;
    if (!lock_joins(token->module)) {
        return;
    }
    if (forget(token)) {
        detach(token);
        destroy(token);
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

bool token_has_mechanism(const struct token *token, CK_MECHANISM_TYPE mechanism)
{
    CK_MECHANISM_INFO info;

    bounded_call_step("C_GetMechanismInfo");
    return token->module->call->C_GetMechanismInfo(token->slot, mechanism, &info) == CKR_OK &&
           (info.flags & CKF_SIGN) != 0;
}
