/* SPDX-License-Identifier: Apache-2.0
 * What may hang inside a module while somebody waits for it, open and close, done by a thread of
 * its own. When his patience ends the caller goes on; the thread is left behind, and what it holds
 * it gives back itself, should the call ever return. */
#ifndef NODEKEY_BOUNDED_CALL_H
#define NODEKEY_BOUNDED_CALL_H

#include <pthread.h>
#include <stdbool.h>

#include "base/auto.h"
#include "base/words.h"
#include "nodekey/plugin.h"

/* As many threads may hang in one module; what is bounded by its steps is refused at once then. */
#define BOUNDED_CALLS_LEFT_MAX 8

/* The head of what is to be done. Counted by its caller and by its thread. */
struct bounded_call {
    void (*run)(struct bounded_call *bounded); /* on the thread */
    void (*undo)(
        struct bounded_call *bounded); /* likewise, after `run`, if its caller has gone; or NULL */
    void (*free)(struct bounded_call *bounded); /* by whoever lets go last */
    const char *where; /* the module, as configured: for texts; valid until `free` */

    /* The errand's own, under one lock for all. */
    pthread_cond_t changed;
    unsigned refs;
    bool done;
    bool left;
    const struct hsm_words *words; /* of the caller */
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

/* The caller's reference; bounded_call_drop ends it. Not for one that is zero but for the four
 * above. */
void bounded_call_init(struct bounded_call *bounded);
void bounded_call_drop(struct bounded_call *bounded);
/* `patience_ms` is for each step of it, or with `whole` for all. On the thread of an errand, and
 * while the process exits, it is run by the caller. May be called again after BOUNDED_CALL_DONE. */
MUST_USE enum bounded_call_end bounded_call_run(struct bounded_call *bounded, unsigned patience_ms,
                                                bool whole);
/* What became of it, in words: which module hangs, and in what. Not for BOUNDED_CALL_DONE. */
nk_status bounded_call_report(const struct bounded_call *bounded, enum bounded_call_end end,
                              unsigned patience_ms, nk_error *err);
/* The name of a call, or of what is waited for, which begins now; does nothing on other threads.
 * NULL: what follows should end by itself. `what` is kept. */
void bounded_call_step(const char *what);

#endif
