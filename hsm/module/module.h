/* SPDX-License-Identifier: Apache-2.0
 * A loaded PKCS#11 module: one per real path and process, never unloaded, never finalised but to
 * initialise it again. */
#ifndef NODEKEY_MODULE_H
#define NODEKEY_MODULE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <p11-kit/pkcs11.h>

#include "base/auto.h"
#include "module/cryptoki.h"
#include "nodekey/plugin.h"

struct module {
    char *path; /* as realpath gives it */

    pthread_mutex_t
        start_lock; /* guards the next three until `started`; from then on they are constant */
    bool started;
    const struct cryptoki *call;
    bool guest;         /* the host initialised it: we never finalise */
    bool one_at_a_time; /* a use waits until nobody is inside */

    /* Uses. Not a rwlock: it could not be waited for on the monotonic clock under TSan. */
    pthread_mutex_t use_lock; /* guards the next six */
    pthread_cond_t use_changed;
    unsigned inside;
    bool restarting; /* nobody enters; the restart waits for those inside */
    bool initialised;
    unsigned overstaying;   /* inside since a restart gave up waiting for them */
    unsigned gave_up_count; /* counts those restarts */

    atomic_uint attached; /* tokens that a restart would cost a login */

    atomic_bool inherited; /* by a child from its parent, and not settled yet */
    bool used_at_fork;     /* the parent had a token of it open then */
    bool copied;           /* settled with what the parent had, its login included */
    bool held;             /* over a fork, by the thread that forks; and its start_lock */
    bool start_held;

    atomic_uint epoch; /* changes with nobody inside; sessions and handles of another are void */

    /* For session.c: tpm2-pkcs11 1.9 hands out one handle twice without it. */
    pthread_mutex_t session_lock;

    /* Joining and leaving a token: an open must not find a login that a close is about to end. */
    pthread_mutex_t join_lock;

    pthread_mutex_t reinit_lock; /* guards the next two: single flight */
    long long last_reinit_ms;
    CK_RV last_reinit_rv;

    struct module *next;
};

/* `name` is an absolute path or a bare name: "softhsm", "tpm2", "p11-kit", or a file in p11-kit's
 * module folder, with or without ".so". NK_E_CONFIG: no such file, not a module, writable by
 * others, lacks a function. NK_E_TOKEN: C_Initialize failed; the next call tries again. NK_E_NOMEM.
 * The module lives as long as the process. [any] */
MUST_USE nk_status module_get(const char *name, struct module **ret_module, nk_error *err);

/* A use of the module: between the two it may be called, and is not re-initialised. CKR_OK, or
 * CKR_NODEKEY_SHUT: the process exits; CKR_NODEKEY_FORKED: see ckr.h; CKR_CRYPTOKI_NOT_INITIALIZED:
 * the last restart failed. The module's errors are kept off OpenSSL's queue, and its SIGPIPE off
 * the thread. [any] */
MUST_USE CK_RV module_enter(struct module *module);
void module_leave(struct module *module);

/* C_Finalize and C_Initialize, by one thread; the others share its result. At most every 100 ms: a
 * caller who comes sooner waits and tries then, since the token may be back by now, and a handshake
 * that begins after the cure must not fail. The interval, not a breaker, keeps callers off a token
 * that is away when there is no deadline: a breaker's probes need a thread that may hang. Nothing
 * is done if the epoch is no longer `seen_epoch`. Waits at most `wait_ms` for those inside, and not
 * again for the same ones: CKR_FUNCTION_FAILED if they do not leave, CKR_FUNCTION_NOT_SUPPORTED for
 * a guest, else what C_Initialize answers. [any], not inside a use of the module */
CK_RV module_reinit(struct module *module, unsigned seen_epoch, unsigned wait_ms);

#endif
