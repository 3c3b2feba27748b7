/* SPDX-License-Identifier: Apache-2.0
 * Modules around a fork: nobody is inside one when the child begins, and the child initialises them
 * itself, at their first use there. */
#include "base/clock.h"
#include "base/fork.h"
#include "module/module_private.h"

static bool registry_held; /* of the thread that forks */

static unsigned ms_until(long long deadline_ms)
{
    long long left = deadline_ms - clock_now_ms();
    return left > 0 ? (unsigned)left : 0;
}

/* --- before the fork --- */

static bool rest_module(struct module *module, long long deadline_ms)
{
    module->held = fork_lock_by(&module->reinit_lock, deadline_ms);
    if (!module->held) {
        return false;
    }
    module->start_held = fork_lock_by(&module->start_lock, deadline_ms);
    bool empty = module_drain_locked(module, ms_until(deadline_ms)) && module->start_held;
    pthread_mutex_lock(&module->use_lock);
    /* A token that a grandparent uses is not for us to end, either. */
    module->used_at_fork = module->used_at_fork && atomic_load(&module->inherited);
    return empty;
}

static bool rest_modules(long long deadline_ms)
{
    bool empty = true;

    registry_held = fork_lock_by(&module_registry_lock, deadline_ms);
    if (!registry_held) {
        return false;
    }
    for (struct module *module = module_first_locked(); module != NULL; module = module->next) {
        empty &= rest_module(module, deadline_ms);
    }
    return empty;
}

static void release_modules(void)
{
    if (!registry_held) {
        return;
    }
    for (struct module *module = module_first_locked(); module != NULL; module = module->next) {
        if (module->held) {
            /* use_lock is held since rest_module: a first C_Initialize may end at this moment. */
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

/* Locks that we do not hold may be held by threads that are not here. */
static void renew_module(struct module *module)
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

static void renew_modules(void)
{
    for (struct module *module = module_first_locked(); registry_held && module != NULL;
         module = module->next) {
        renew_module(module);
    }
    if (!registry_held) {
        pthread_mutex_init(&module_registry_lock, NULL);
    }
}

FORK_PART(.rest = rest_modules, .release = release_modules, .renew = renew_modules);
