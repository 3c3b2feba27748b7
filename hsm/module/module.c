/* SPDX-License-Identifier: Apache-2.0
 * The registry of modules, their uses, and their restarts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "base/clock.h"
#include "base/exit_gate.h"
#include "base/fork.h"
#include "base/report.h"
#include "base/sigpipe.h"
#include "module/ckr.h"
#include "module/module_name.h"
#include "module/module_private.h"
#include "wait/bounded_call.h"

/* Every handshake asks for a token that is away: its module is not torn down more often. */
#define REINIT_INTERVAL_MS 100

/* module->gave_up_count when this thread entered; a thread is inside one module at a time. */
static _Thread_local unsigned entered_in;

pthread_mutex_t module_registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct module *registry; /* guarded by module_registry_lock */

struct module *module_first_locked(void)
{
    return registry;
}

static void init_locks(struct module *module)
{
    pthread_mutex_init(&module->start_lock, NULL);
    pthread_mutex_init(&module->use_lock, NULL);
    clock_cond_init(&module->use_changed);
    pthread_mutex_init(&module->session_lock, NULL);
    pthread_mutex_init(&module->join_lock, NULL);
    pthread_mutex_init(&module->reinit_lock, NULL);
}

/* Under module_registry_lock. Takes over *path when it is new. */
static struct module *find_or_add_locked(char **path)
{
    struct module *module = registry;

    while (module != NULL && strcmp(module->path, *path) != 0) {
        module = module->next;
    }
    if (module != NULL || (module = calloc(1, sizeof(*module))) == NULL) {
        return module;
    }
    init_locks(module);
    atomic_init(&module->epoch, 1);
    module->path = *path;
    *path = NULL;
    module->next = registry;
    registry = module;
    return module;
}

nk_status module_get(const char *name, struct module **ret_module, nk_error *err)
{
    AUTO(free) char *path = NULL;
    nk_status status = module_name_resolve(name, &path, err);
    if (status != NK_OK) {
        return status;
    }
    pthread_mutex_lock(&module_registry_lock);
    struct module *module = find_or_add_locked(&path);
    pthread_mutex_unlock(&module_registry_lock);
    if (module == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    /* A module that hangs in C_Initialize must hold up nobody who wants another: the registry is
     * open meanwhile. */
    bounded_call_step("an earlier C_Initialize");
    pthread_mutex_lock(&module->start_lock);
    if (!module->started) {
        status = module_start_locked(module, err);
    }
    pthread_mutex_unlock(&module->start_lock);
    if (status == NK_OK) {
        *ret_module = module;
    }
    return status;
}

/* Initialises before the first use in a child, once for all threads. CKR_NODEKEY_FORKED: the module
 * must not be used here. */
static CK_RV settle_in_child(struct module *module)
{
    pthread_mutex_lock(&module->reinit_lock);
    CK_RV rv = CKR_OK;
    if (atomic_load(&module->inherited)) {
        rv = module_initialise_locked(module);
        /* SoftHSM, also behind p11-kit, does not see a token that another child is logging in to:
         * the next restart comes a moment later. */
        module->last_reinit_ms = clock_now_ms();
        module_reopen_locked(module, rv == CKR_OK);
    }
    pthread_mutex_unlock(&module->reinit_lock);
    return rv;
}

CK_RV module_enter(struct module *module)
{
    if (!exit_gate_enter()) {
        return fork_is_foreign() ? CKR_NODEKEY_FORKED : CKR_NODEKEY_SHUT;
    }
    CK_RV rv = atomic_load(&module->inherited) ? settle_in_child(module) : CKR_OK;
    if (rv != CKR_OK) {
        exit_gate_leave();
        return rv;
    }
    bounded_call_step(module->one_at_a_time ? "a call of another thread" : "a restart of it");
    pthread_mutex_lock(&module->use_lock);
    while (module->restarting || (module->one_at_a_time && module->inside > 0)) {
        pthread_cond_wait(&module->use_changed, &module->use_lock);
    }
    bool initialised = module->initialised;
    module->inside += initialised ? 1 : 0;
    entered_in = module->gave_up_count;
    pthread_mutex_unlock(&module->use_lock);
    if (!initialised) {
        exit_gate_leave();
        return CKR_CRYPTOKI_NOT_INITIALIZED;
    }
    ERR_set_mark();
    sigpipe_hold();
    return CKR_OK;
}

void module_leave(struct module *module)
{
    sigpipe_release();
    ERR_pop_to_mark();
    pthread_mutex_lock(&module->use_lock);
    module->overstaying -= entered_in != module->gave_up_count && module->overstaying > 0 ? 1 : 0;
    if (--module->inside == 0 && (module->restarting || module->one_at_a_time)) {
        pthread_cond_broadcast(&module->use_changed);
    }
    pthread_mutex_unlock(&module->use_lock);
    exit_gate_leave();
}

bool module_drain_locked(struct module *module, unsigned wait_ms)
{
    struct timespec deadline = clock_deadline(wait_ms);
    int rc = 0;

    bounded_call_step(NULL);
    pthread_mutex_lock(&module->use_lock);
    module->restarting = true;
    rc = module->overstaying > 0 ? ETIMEDOUT : 0; /* those waited for before hang */
    while (module->inside > 0 && rc == 0) {
        rc = pthread_cond_timedwait(&module->use_changed, &module->use_lock, &deadline);
    }
    bool empty = module->inside == 0;
    if (!empty && module->overstaying == 0) {
        module->overstaying = module->inside;
        module->gave_up_count++;
    }
    pthread_mutex_unlock(&module->use_lock);
    return empty;
}

void module_reopen_locked(struct module *module, bool initialised)
{
    pthread_mutex_lock(&module->use_lock);
    module->restarting = false;
    module->initialised = initialised;
    pthread_cond_broadcast(&module->use_changed);
    pthread_mutex_unlock(&module->use_lock);
}

/* Under reinit_lock. */
static CK_RV restart_locked(struct module *module, unsigned wait_ms)
{
    if (!exit_gate_enter()) {
        return CKR_NODEKEY_SHUT;
    }
    if (!module_drain_locked(module, wait_ms)) {
        module_reopen_locked(module, true);
        exit_gate_leave();
        return CKR_FUNCTION_FAILED; /* never finalise under a call */
    }
    atomic_store(&module->attached, 0);
    if (module->initialised) {
        (void)!module_finalise_locked(module); /* an error changes nothing: C_Initialize tells */
    }
    CK_RV rv = module_initialise_locked(module);
    rv = rv == CKR_CRYPTOKI_ALREADY_INITIALIZED ? CKR_OK : rv;
    atomic_fetch_add(&module->epoch, 1);
    module_reopen_locked(module, rv == CKR_OK);
    exit_gate_leave();
    return rv;
}

CK_RV module_reinit(struct module *module, unsigned seen_epoch, unsigned wait_ms)
{
    if (module->guest) {
        return CKR_FUNCTION_NOT_SUPPORTED;
    }
    bounded_call_step("a restart of it");
    pthread_mutex_lock(&module->reinit_lock);
    CK_RV rv = module->last_reinit_rv;
    if (atomic_load(&module->epoch) == seen_epoch) {
        long long wait = module->last_reinit_ms + REINIT_INTERVAL_MS - clock_now_ms();
        if (module->last_reinit_ms != 0 && wait > 0) {
            clock_sleep_ms((unsigned)wait);
        }
        rv = restart_locked(module, wait_ms);
        module->last_reinit_rv = rv;
        module->last_reinit_ms = clock_now_ms();
    }
    pthread_mutex_unlock(&module->reinit_lock);
    return rv;
}
