/* SPDX-License-Identifier: Apache-2.0
 * What may hang inside a module while somebody waits for it, open and close, done by a thread of
 * its own. When his patience ends the caller goes on; the thread is left behind, and what it holds
 * it gives back itself, should the call ever return. */
#ifndef NODEKEY_ERRAND_H
#define NODEKEY_ERRAND_H

#include <pthread.h>
#include <stdbool.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

/* As many threads may hang in one module; what is bounded by its steps is refused at once then. */
#define ERRANDS_LEFT_MAX 8

/* The head of what is to be done. Counted by its caller and by its thread. */
struct errand {
    void (*run)(struct errand *errand); /* on the thread */
    void (*undo)(
        struct errand *errand); /* likewise, after `run`, if its caller has gone; or NULL */
    void (*free)(struct errand *errand); /* by whoever lets go last */
    const char *where; /* the module, as configured: for texts; valid until `free` */

    /* The errand's own, under one lock for all. */
    pthread_cond_t changed;
    unsigned refs;
    bool done;
    bool left;
    const char *step; /* NULL: what goes on has a deadline of its own, and is given more time */
    long long step_ms;
    struct errand *next; /* of those left behind */
};

enum errand_end {
    ERRAND_DONE,
    ERRAND_LEFT,    /* runs on, without its caller */
    ERRAND_REFUSED, /* never began: too many hang in this module; not with `whole` */
    ERRAND_FAILED,  /* never began: no thread can be made */
};

/* The caller's reference; errand_drop ends it. Not for one that is zero but for the four above. */
void errand_init(struct errand *errand);
void errand_drop(struct errand *errand);
/* `patience_ms` is for each step of it, or with `whole` for all. On the thread of an errand, and
 * while the process exits, it is run by the caller. May be called again after ERRAND_DONE. */
MUST_USE enum errand_end errand_run(struct errand *errand, unsigned patience_ms, bool whole);
/* What became of it, in words: which module hangs, and in what. Not for ERRAND_DONE. */
nk_status errand_report(const struct errand *errand, enum errand_end end, unsigned patience_ms,
                        nk_error *err);
/* The name of a call, or of what is waited for, which begins now; does nothing on other threads.
 * NULL: what follows should end by itself. `what` is kept. */
void errand_step(const char *what);

#endif
