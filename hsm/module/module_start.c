/* SPDX-License-Identifier: Apache-2.0
 * How a module is loaded and initialised, here and in a child.
 *
 * Some modules notice a fork (p11-kit, opencryptoki, OpenSC): there the child's C_Initialize gives
 * it an instance of its own. Others do not, and answer ALREADY_INITIALIZED: then the child holds
 * what its parent has with the token. In SoftHSM that is memory, and the child's copy is its own.
 * In tpm2-pkcs11 it is a session with the chip, and a child that signs in it breaks the parent's
 * for ever and drives the TPM into its lockout; so nothing is called there, unless the parent had
 * no login at the fork: then the child finalises what it got and begins anew. */
#include <dlfcn.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "base/exit_gate.h"
#include "base/fork.h"
#include "base/report.h"
#include "base/sigpipe.h"
#include "base/words.h"
#include "module/bindings.h"
#include "module/ckr.h"
#include "module/module_needs.h"
#include "module/module_private.h"

#define SURROUNDINGS_BYTES 256 /* a sentence has 1024, and the module's path is in it, too */
#define NEEDS_BYTES 448

/* --- the file --- */

/* A module may have been linked with OpenSSL, and calls what the program shows in its place. */
static nk_status check_calls(void *object, const char *path, nk_error *err)
{
    nk_error own = { .struct_size = sizeof(own) };
    const struct link_map *map = NULL;
    struct bindings split;

    if (dlinfo(object, RTLD_DI_LINKMAP, &map) != 0 || !bindings_in_two(map, &split)) {
        return NK_OK;
    }
    nk_status status = bindings_report(&split, split.map == map ? path : split.map->l_name, &own);
    return report(err, status, "%s: %s", words()->module, own.text);
}

static nk_status load_file(const char *path, const struct cryptoki **ret_call, nk_error *err)
{
    /* The module is kept for the life of the process: threads may be inside, and gRPC keeps keys
     * after close. */
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (object == NULL) {
        return report(err, NK_E_CONFIG, "%s: cannot load %s: %s", words()->module, path, dlerror());
    }
    nk_status status = check_calls(object, path, err);
    if (status != NK_OK) {
        dlclose(object);
        return status;
    }
    CK_C_GetFunctionList get = NULL;
    *(void **)&get = dlsym(object, "C_GetFunctionList");
    CK_FUNCTION_LIST *list = NULL;
    if (get == NULL) {
        dlclose(object);
        return report(err, NK_E_CONFIG,
                      "%s: %s is a library but not a PKCS#11 module (no "
                      "C_GetFunctionList); name the module of the token",
                      words()->module, path);
    }
    CK_RV rv = get(&list);
    if (rv != CKR_OK || list == NULL) {
        return report_ckr(err, NK_E_CONFIG, rv, "%s: %s gives no function list", words()->module,
                          path);
    }
    return cryptoki_take(list, path, ret_call, err);
}

/* p11-kit's client has all threads share one socket. When its server dies, a thread that waits
 * until others have read their answers is woken by nobody (0.24: the reader that fails leaves
 * without a signal) and never comes back, so that the module could not be restarted any more; and
 * the socket's number is closed under threads that read from it. Where there is but one thread,
 * none is forgotten. p11-kit's server takes one call after the other anyway. */
static bool takes_one_at_a_time(const char *path)
{
    const char *name = strrchr(path, '/');

    return strcmp(name != NULL ? name + 1 : path, "p11-kit-client.so") == 0;
}

/* --- C_Initialize and C_Finalize --- */

static void begin_call(void)
{
    sigpipe_hold();
    ERR_set_mark();
    fork_enter_call();
}

static void end_call(void)
{
    fork_leave_call();
    ERR_pop_to_mark();
    sigpipe_release();
}

static CK_RV call_initialise(const struct module *module)
{
    CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };

    begin_call();
    CK_RV rv = cryptoki_initialize(module->call, &args);
    end_call();
    return rv;
}

CK_RV module_finalise_locked(struct module *module)
{
    begin_call();
    CK_RV rv = cryptoki_finalize(module->call);
    end_call();
    return rv;
}

/* A module whose whole state is memory and files: a copy of the state is as good as one's own. */
static bool lives_in_memory(const struct module *module)
{
    static const char name[] = "SoftHSM";
    CK_INFO info;

    return cryptoki_get_info(module->call, &info) == CKR_OK &&
           memcmp(info.manufacturerID, name, sizeof(name) - 1) == 0;
}

/* PKCS#11 3.0, 5.4, wants C_Initialize of a child that goes on with the module. Nobody is logged
 * out by the C_Finalize before it, since nobody was logged in at the fork. */
static CK_RV start_over_locked(struct module *module)
{
    CK_RV rv = module_finalise_locked(module);
    return rv == CKR_OK ? call_initialise(module) : rv;
}

/* In a child that has not settled: `rv` is what C_Initialize answered here. */
static CK_RV inherit_instance_locked(struct module *module, CK_RV rv)
{
    bool noticed = rv != CKR_CRYPTOKI_ALREADY_INITIALIZED;

    if (!noticed && !lives_in_memory(module)) {
        if (module->used_at_fork || module->guest) {
            return CKR_NODEKEY_FORKED;
        }
        rv = start_over_locked(module);
    }
    module->copied = rv == CKR_CRYPTOKI_ALREADY_INITIALIZED;
    rv = module->copied ? CKR_OK : rv;
    if (rv == CKR_OK) {
        module->guest = module->guest && !noticed;
        atomic_store(&module->inherited, false);
    }
    return rv;
}

CK_RV module_initialise_locked(struct module *module)
{
    CK_RV rv = call_initialise(module);
    return atomic_load(&module->inherited) ? inherit_instance_locked(module, rv) : rv;
}

static nk_status report_refusal(const char *path, CK_RV rv, nk_error *err)
{
    char told[SURROUNDINGS_BYTES];
    char needs[NEEDS_BYTES];

    module_surroundings(path, told, sizeof(told));
    module_needs(path, needs, sizeof(needs));
    return report_ckr(err, NK_E_TOKEN, rv, "%s: %s does not initialise; %s (%s)", words()->module,
                      path, needs, told);
}

nk_status module_start_locked(struct module *module, nk_error *err)
{
    nk_status status = NK_OK;
    if (module->call == NULL) {
        status = load_file(module->path, &module->call, err);
    }
    if (status != NK_OK || module->call == NULL) {
        return status;
    }
    module->one_at_a_time = takes_one_at_a_time(module->path);
    /* OpenSSL's cleanup must be registered before our gate, so that it runs after the gate. The
     * gate is armed twice: for an exit that comes while C_Initialize is under way, and to stand
     * before what C_Initialize registers. */
    OPENSSL_init_crypto(0, NULL);
    exit_gate_arm();
    CK_RV rv = module_initialise_locked(module);
    module->guest = rv == CKR_CRYPTOKI_ALREADY_INITIALIZED;
    if (rv != CKR_OK && !module->guest) {
        return report_refusal(module->path, rv, err);
    }
    exit_gate_arm();
    pthread_mutex_lock(&module->use_lock);
    module->initialised = true;
    pthread_mutex_unlock(&module->use_lock);
    module->started = true;
    return NK_OK;
}
