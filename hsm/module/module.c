/* SPDX-License-Identifier: Apache-2.0 */
#include "module/module.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "base/clock.h"
#include "base/exit_gate.h"
#include "base/file.h"
#include "base/fork.h"
#include "base/report.h"
#include "base/sigpipe.h"
#include "module/ckr.h"
#include "module/module_fork.h"
#include "module/module_name.h"
#include "wait/bounded_call.h"

/* While a token is away every handshake asks for it; the module is not torn down more often. */
#define REINIT_INTERVAL_MS 100

DEFINE_AUTO(char *, free);

/* module->gave_up_count when this thread entered; a thread is inside one module at a time. */
static _Thread_local unsigned entered_in;

pthread_mutex_t module_registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct module *registry; /* guarded by module_registry_lock */

struct module *module_first(void)
{
    return registry;
}

CK_RV module_initialise(struct module *module)
{
    CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };

    bounded_call_step("C_Initialize");
    sigpipe_hold();
    ERR_set_mark();
    fork_enter_call();
    CK_RV rv = module->call->C_Initialize(&args);
    fork_leave_call();
    ERR_pop_to_mark();
    sigpipe_release();
    return atomic_load(&module->inherited) ? module_inherit(module, rv) : rv;
}

static void finalise(struct module *module)
{
    bounded_call_step("C_Finalize");
    sigpipe_hold();
    ERR_set_mark();
    module->call->C_Finalize(NULL);
    ERR_pop_to_mark();
    sigpipe_release();
}

static nk_status check_file(const char *path, nk_error *err)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        return report_errno(err, NK_E_CONFIG,
                            "node.module: no PKCS#11 module at %s; install it or correct the path",
                            path);
    }
    enum file_flaw flaw = file_find_flaw(&st, S_IFREG, FILE_OF_ANYBODY, S_IWOTH);
    if (flaw == FILE_ODD_KIND) {
        return report(err, NK_E_CONFIG, "node.module: %s is not a file", path);
    }
    if (flaw == FILE_EXPOSED) {
        return report(err, NK_E_CONFIG,
                      "node.module: everybody may write to %s, so anybody could take over this "
                      "process; chmod o-w it",
                      path);
    }
    return NK_OK;
}

static nk_status load(const char *path, CK_FUNCTION_LIST **ret_call, nk_error *err)
{
    /* Kept for the life of the process: threads may be inside, and gRPC keeps keys after close. */
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (object == NULL) {
        return report(err, NK_E_CONFIG, "node.module: cannot load %s: %s", path, dlerror());
    }
    CK_C_GetFunctionList get = NULL;
    *(void **)&get = dlsym(object, "C_GetFunctionList");
    CK_FUNCTION_LIST *call = NULL;
    if (get == NULL) {
        dlclose(object);
        return report(err, NK_E_CONFIG,
                      "node.module: %s is a library but not a PKCS#11 module (no "
                      "C_GetFunctionList); name the module of the token",
                      path);
    }
    CK_RV rv = get(&call);
    if (rv != CKR_OK || call == NULL) {
        return report_ckr(err, NK_E_CONFIG, rv, "node.module: %s gives no function list", path);
    }
    *ret_call = call;
    return NK_OK;
}

/* p11-kit's client has all threads share one socket. When its server dies, a thread that waits
 * until others have read their answers is woken by nobody (0.24: the reader that fails leaves
 * without a signal) and never comes back, so that the module could not be restarted any more; and
 * the socket's number is closed under threads that read from it. Where there is but one thread,
 * none is forgotten. Its server takes one call after the other anyway. */
static bool takes_one_at_a_time(const char *path)
{
    const char *name = strrchr(path, '/');

    return strcmp(name != NULL ? name + 1 : path, "p11-kit-client.so") == 0;
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

/* Under start_lock. */
static nk_status start(struct module *module, nk_error *err)
{
    nk_status status = check_file(module->path, err);
    if (status == NK_OK && module->call == NULL) {
        status = load(module->path, &module->call, err);
    }
    if (status != NK_OK || module->call == NULL) {
        return status;
    }
    module->one_at_a_time = takes_one_at_a_time(module->path);
    /* OpenSSL's cleanup must be registered before our gate, so that it runs after it. */
    OPENSSL_init_crypto(0, NULL);
    CK_RV rv = module_initialise(module);
    module->guest = rv == CKR_CRYPTOKI_ALREADY_INITIALIZED;
    if (rv != CKR_OK && !module->guest) {
        return report_ckr(err, NK_E_TOKEN, rv,
                          "node.module: %s does not initialise; is its own configuration, service "
                          "or device there?",
                          module->path);
    }
    exit_gate_arm();
    pthread_mutex_lock(&module->use_lock);
    module->initialised = true;
    pthread_mutex_unlock(&module->use_lock);
    module->started = true;
    return NK_OK;
}

/* Under module_registry_lock. Takes over *path when it is new. */
static struct module *find_or_add(char **path)
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
    struct module *module = find_or_add(&path);
    pthread_mutex_unlock(&module_registry_lock);
    if (module == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    /* One that hangs in C_Initialize must hold up nobody who wants another. */
    bounded_call_step("an earlier C_Initialize");
    pthread_mutex_lock(&module->start_lock);
    if (!module->started) {
        status = start(module, err);
    }
    pthread_mutex_unlock(&module->start_lock);
    if (status == NK_OK) {
        *ret_module = module;
    }
    return status;
}

CK_RV module_enter(struct module *module)
{
    if (!exit_gate_enter()) {
        return fork_is_foreign() ? CKR_NODEKEY_FORKED : CKR_NODEKEY_SHUT;
    }
    CK_RV rv = atomic_load(&module->inherited) ? module_settle(module) : CKR_OK;
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

bool module_empty(struct module *module, unsigned wait_ms)
{
    struct timespec deadline = clock_deadline(wait_ms);
    int rc = 0;

    bounded_call_step(NULL);
    pthread_mutex_lock(&module->use_lock);
    module->restarting = true;
    rc = module->overstaying > 0 ? ETIMEDOUT : 0; /* waited for before: they hang */
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

void module_reopen(struct module *module, bool initialised)
{
    pthread_mutex_lock(&module->use_lock);
    module->restarting = false;
    module->initialised = initialised;
    pthread_cond_broadcast(&module->use_changed);
    pthread_mutex_unlock(&module->use_lock);
}

/* Under reinit_lock. */
static CK_RV restart(struct module *module, unsigned wait_ms)
{
    if (!exit_gate_enter()) {
        return CKR_NODEKEY_SHUT;
    }
    if (!module_empty(module, wait_ms)) {
        module_reopen(module, true);
        exit_gate_leave();
        return CKR_FUNCTION_FAILED; /* never finalise under a call */
    }
    atomic_store(&module->attached, 0);
    if (module->initialised) {
        finalise(module);
    }
    CK_RV rv = module_initialise(module);
    rv = rv == CKR_CRYPTOKI_ALREADY_INITIALIZED ? CKR_OK : rv;
    atomic_fetch_add(&module->epoch, 1);
    module_reopen(module, rv == CKR_OK);
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
        rv = restart(module, wait_ms);
        module->last_reinit_rv = rv;
        module->last_reinit_ms = clock_now_ms();
    }
    pthread_mutex_unlock(&module->reinit_lock);
    return rv;
}
