/* SPDX-License-Identifier: Apache-2.0
 * struct token, for token.c (who shares it), token_lend.c (who borrows sessions), token_attach.c
 * (how it is reached) and token_login.c (the PIN). */
#ifndef NODEKEY_TOKEN_PRIVATE_H
#define NODEKEY_TOKEN_PRIVATE_H

#include <pthread.h>

#include "pin/pin.h"
#include "token/token.h"

enum { OUTBOUND, INBOUND }; /* for our own dialling, for strangers */

struct token {
    struct module *module;
    struct token_name name;
    struct hsm_token_settings settings;
    char *state_dir; /* or NULL */

    unsigned users; /* guarded by the registry's lock */
    struct token *next;
    bool held; /* over a fork, by the thread that forks */

    pthread_mutex_t lock;           /* guards all below */
    pthread_cond_t session_free[2]; /* OUTBOUND, INBOUND */
    unsigned waiting[2];
    unsigned inbound_lent;
    struct signers *signers; /* NULL until somebody wants deadlines */
    struct pin *pin;         /* the one that is in use; NULL before the first login */
    struct pin *former;      /* the parent's, while an open in a child proves another; else NULL */
    long long locked_ms;     /* when the token last said that its PIN is locked; 0: it has not */
    unsigned epoch;          /* the module's, when we attached; 0: not attached */
    unsigned generation;
    bool attaching;                /* no session is lent; those that are must come back first */
    pthread_cond_t attach_changed; /* one did, or it is over */
    unsigned overstaying;          /* lent since an attempt gave up waiting for them */
    unsigned gave_up_count;        /* counts those attempts */
    unsigned restart_pause_ms;     /* of the module for this token; 0: the last one helped */
    long long restart_ms;          /* when the last one was, */
    unsigned restart_epoch;        /* and which epoch it ended */
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
/* With sessions, slot and login of before given up, once no session is lent any more. Nothing is
 * done if `generation` is over. */
MUST_USE CK_RV token_attach_anew(struct token *token, unsigned generation, nk_error *err);
/* Closes our sessions and ends a login of ours, as far as they are still there. */
void token_detach(struct token *token);
/* From its source, if that can be read again; one that fails keeps the old PIN. */
void token_refresh_pin(struct token *token);
void token_forget_attachment(struct token *token);              /* what is left of it is void */
MUST_USE CK_RV token_login(struct token *token, nk_error *err); /* in the anchor session */
MUST_USE CK_RV token_login_again(struct token *token, nk_error *err);
MUST_USE CK_RV token_open_session(struct token *token, CK_SESSION_HANDLE *ret_session);
void token_close_session(struct token *token, CK_SESSION_HANDLE session);
/* Ours still, or at least one with our token. */
MUST_USE bool token_session_is_there(const struct token *token, CK_SESSION_HANDLE session);
/* One that may have become void, and its number another's. */
void token_close_if_there(struct token *token, CK_SESSION_HANDLE session);

#endif
