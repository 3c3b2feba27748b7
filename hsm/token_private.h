/* SPDX-License-Identifier: Apache-2.0
 * struct token, for token.c (who shares it), token_lend.c (who borrows sessions) and token_login.c
 * (how it is reached). */
#ifndef NODEKEY_TOKEN_PRIVATE_H
#define NODEKEY_TOKEN_PRIVATE_H

#include <pthread.h>

#include "pin.h"
#include "token.h"

enum { OUTBOUND, INBOUND }; /* for our own dialling, for strangers */

struct token {
    struct module *module;
    struct token_name name;
    unsigned max_sessions;
    unsigned max_waiting_inbound;
    unsigned login_timeout_ms;
    char *state_dir; /* or NULL */

    unsigned users; /* guarded by the registry's lock */
    struct token *next;
    bool held; /* over a fork, by the thread that forks */

    pthread_mutex_t lock;           /* guards all below */
    pthread_cond_t session_free[2]; /* OUTBOUND, INBOUND */
    unsigned waiting[2];
    unsigned inbound_lent;
    struct crew *crew;  /* NULL until somebody wants deadlines */
    struct pin *pin;    /* the one that is in use; NULL before the first login */
    struct pin *former; /* the parent's, while an open in a child proves another; else NULL */
    unsigned epoch;     /* the module's, when we attached; 0: not attached */
    unsigned generation;
    CK_SLOT_ID slot;
    CK_FLAGS slot_flags;
    CK_SESSION_HANDLE anchor;
    bool login_is_ours; /* not that of another user of the module in this process */
    unsigned open;      /* sessions of the pool, lent or idle */
    unsigned limit;     /* learned down from CKR_SESSION_COUNT */
    unsigned idle_len;
    CK_SESSION_HANDLE *idle; /* max_sessions of them, last in first out */
};

/* Both under `lock`, inside a stay. */
MUST_USE CK_RV token_attach(struct token *token, nk_error *err);
MUST_USE CK_RV token_login_again(struct token *token, nk_error *err);
MUST_USE CK_RV token_open_session(struct token *token, CK_SESSION_HANDLE *ret_session);
void token_close_session(struct token *token, CK_SESSION_HANDLE session);

#endif
