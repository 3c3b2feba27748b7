/* SPDX-License-Identifier: Apache-2.0 */
#include "module/module_fork.h"

#include <string.h>

#include <openssl/err.h>

#include "base/clock.h"
#include "base/exit_gate.h"
#include "base/fork.h"
#include "base/sigpipe.h"
#include "module/ckr.h"

static bool registry_held; /* of the thread that forks */

static unsigned ms_until(long long deadline_ms)
{
    long long left = deadline_ms - clock_now_ms();
    return left > 0 ? (unsigned)left : 0;
}

/* --- before the fork --- */

static bool rest(struct module *module, long long deadline_ms)
{
    module->held = fork_lock_by(&module->reinit_lock, deadline_ms);
    if (!module->held) {
        return false;
    }
    module->start_held = fork_lock_by(&module->start_lock, deadline_ms);
    bool empty = module_empty(module, ms_until(deadline_ms)) && module->start_held;
    pthread_mutex_lock(&module->use_lock);
    /* What a grandparent uses is not for us to end, either. */
    module->used_at_fork = module->used_at_fork && atomic_load(&module->inherited);
    return empty;
}

static bool rest_all(long long deadline_ms)
{
    bool empty = true;

    registry_held = fork_lock_by(&module_registry_lock, deadline_ms);
    if (!registry_held) {
        return false;
    }
    for (struct module *module = module_first(); module != NULL; module = module->next) {
        empty &= rest(module, deadline_ms);
    }
    return empty;
}

static void release_all(void)
{
    if (!registry_held) {
        return;
    }
    for (struct module *module = module_first(); module != NULL; module = module->next) {
        if (module->held) {
            /* Under the lock of before: a first C_Initialize may end at this very moment. */
            module->restarting = false;
            pthread_cond_broadcast(&module->use_changed);
            pthread_mutex_unlock(&module->use_lock);
            if (module->start_held) {
                pthread_mutex_unlock(&module->start_lock);
            }
            pthread_mutex_unlock(&module->reinit_lock);
            module->held = false;
        }
    }
    registry_held = false;
    pthread_mutex_unlock(&module_registry_lock);
}

/* --- in the child --- */

/* The locks that we do not hold may be held by threads that are not here. */
static void renew(struct module *module)
{
    if (!module->start_held) {
        pthread_mutex_init(&module->start_lock, NULL);
    }
    pthread_mutex_init(&module->session_lock, NULL);
    pthread_mutex_init(&module->join_lock, NULL);
    clock_cond_init(&module->use_changed);
    module->inside = 0;
    module->overstaying = 0;
    module->initialised = false;
    module->last_reinit_ms = 0;
    atomic_store(&module->attached, 0);
    atomic_store(&module->inherited, module->started);
    atomic_fetch_add(&module->epoch, 1);
}

static void renew_all(void)
{
    for (struct module *module = module_first(); registry_held && module != NULL;
         module = module->next) {
        renew(module);
    }
    if (!registry_held) {
        pthread_mutex_init(&module_registry_lock, NULL);
    }
}

FORK_PART(.rest = rest_all, .release = release_all, .renew = renew_all);

/* Whose whole state is memory and files: a copy of it is as good as one's own. */
static bool lives_in_memory(const struct module *module)
{
    static const char name[] = "SoftHSM";
    CK_INFO info;

    return module->call->C_GetInfo(&info) == CKR_OK &&
           memcmp(info.manufacturerID, name, sizeof(name) - 1) == 0;
}

/* PKCS#11 3.0, 5.4, the clean way; by it nobody is logged out, since nobody was logged in. */
static CK_RV start_over(struct module *module)
{
    CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };

    sigpipe_hold();
    ERR_set_mark();
    fork_enter_call();
    CK_RV rv = module->call->C_Finalize(NULL);
    rv = rv == CKR_OK ? module->call->C_Initialize(&args) : rv;
    fork_leave_call();
    ERR_pop_to_mark();
    sigpipe_release();
    return rv;
}

CK_RV module_inherit(struct module *module, CK_RV rv)
{
    bool noticed = rv != CKR_CRYPTOKI_ALREADY_INITIALIZED;

    if (!noticed && !lives_in_memory(module)) {
        if (module->used_at_fork || module->guest) {
            return CKR_NODEKEY_FORKED;
        }
        rv = start_over(module);
    }
    module->copied = rv == CKR_CRYPTOKI_ALREADY_INITIALIZED;
    rv = module->copied ? CKR_OK : rv;
    if (rv == CKR_OK) {
        module->guest = module->guest && !noticed;
        atomic_store(&module->inherited, false);
    }
    return rv;
}

CK_RV module_settle(struct module *module)
{
    pthread_mutex_lock(&module->reinit_lock);
    CK_RV rv = CKR_OK;
    if (atomic_load(&module->inherited)) {
        rv = module_initialise(module);
        /* SoftHSM, also behind p11-kit, does not see a token that another child is logging in to:
         * the next look comes a moment later. */
        module->last_reinit_ms = clock_now_ms();
        module_reopen(module, rv == CKR_OK);
    }
    pthread_mutex_unlock(&module->reinit_lock);
    return rv;
}
