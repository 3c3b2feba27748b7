/* SPDX-License-Identifier: Apache-2.0
 * Calls that may hang while a caller waits for them, into a module (open and close) or of the
 * host's code, made by a thread of their own. When the caller's patience ends the caller goes on;
 * the thread is left behind, and gives back itself what it holds, should the call ever return. */
#ifndef NODEKEY_BOUNDED_CALL_H
#define NODEKEY_BOUNDED_CALL_H

#include <pthread.h>
#include <stdbool.h>

#include "base/auto.h"
#include "base/path_terms.h"
#include "base/words.h"
#include "nodekey/plugin.h"

/* As many threads may hang in one module; what is bounded by its steps is refused at once then. */
#define BOUNDED_CALLS_LEFT_MAX 8

/* The head of a record of what is to be done. Counted by its caller and by its thread. */
struct bounded_call {
    void (*run)(struct bounded_call *bounded);  /* on the thread */
    void (*undo)(struct bounded_call *bounded); /* likewise, after `run`, if left behind; or NULL */
    void (*clear)(struct bounded_call *bounded); /* frees what the record holds, at the last drop */
    const char *where; /* the module, as configured: for texts; valid until `clear` */
    bool
        outside_gate; /* code of the host's: an exit does not wait for it, and steps do not count */

    nk_status status; /* the answer of `run`, which it need not give */
    nk_error err;     /* the answer's words; its own `status` is NK_OK when `run` begins */

    /* Of bounded_call.c, under one lock for all. */
    pthread_cond_t changed;
    unsigned refs;
    bool done;
    bool left;
    const struct hsm_words *words; /* of the caller, as what follows is */
    struct path_terms *terms;      /* counted */
    const char *step; /* NULL: what goes on has a deadline of its own, and is given more time */
    long long step_ms;
    struct bounded_call *next; /* of those left behind */
};

enum bounded_call_end {
    BOUNDED_CALL_DONE,
    BOUNDED_CALL_LEFT,    /* runs on, without its caller */
    BOUNDED_CALL_REFUSED, /* never began: too many hang in this module; not with `whole` */
    BOUNDED_CALL_FAILED,  /* never began: no thread can be made */
};

/* A record of `bytes`, zeroed, that begins with a bounded call; its `where` is still to be set.
 * NULL: no memory. Owned: bounded_call_drop. [any] */
void *bounded_call_new(size_t bytes, void (*run)(struct bounded_call *bounded),
                       void (*clear)(struct bounded_call *bounded));
void bounded_call_drop(struct bounded_call *bounded); /* [any] */
/* `patience_ms` is for each step of it, or with `whole` for all. The caller runs it itself on the
 * thread of a bounded call, and while the process exits. What `run` wrote may be read after
 * BOUNDED_CALL_DONE alone, when bounded_call_run may also be called again. [any] */
MUST_USE enum bounded_call_end bounded_call_run(struct bounded_call *bounded, unsigned patience_ms,
                                                bool whole);
/* The outcome of a run: the answer of `run`; or NK_E_NOMEM: no thread can be made; or NK_E_TOKEN:
 * which module hangs, and in what. [any] */
nk_status bounded_call_report(const struct bounded_call *bounded, enum bounded_call_end end,
                              unsigned patience_ms, nk_error *err);
/* The name of a call, or of what is waited for, which begins now; NULL: what follows should end by
 * itself. `what` is kept. [any], does nothing but on the thread of a bounded call */
void bounded_call_step(const char *what);

#endif
