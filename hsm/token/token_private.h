/* SPDX-License-Identifier: Apache-2.0
 * struct token, for token.c (who shares it), token_lend.c (who borrows sessions), token_attach.c
 * (how it is reached), token_login.c and token_pin.c (the login), token_recover.c and
 * token_fork.c. */
#ifndef NODEKEY_TOKEN_PRIVATE_H
#define NODEKEY_TOKEN_PRIVATE_H

#include <pthread.h>

#include "module/session.h"
#include "pin/pin.h"
#include "token/token.h"
#include "wait/shared_threads.h"

enum { OUTBOUND, INBOUND }; /* for our own dialling, for peers who dial us */

struct token {
    struct module *module;
    struct token_name name;
    struct hsm_token_settings settings;
    char *state_dir; /* or NULL */

    unsigned users; /* guarded by token_registry_lock, as `next` is */
    struct token *next;
    bool held; /* over a fork, by the thread that forks */

    pthread_mutex_t lock;           /* guards all below */
    pthread_cond_t session_free[2]; /* OUTBOUND, INBOUND */
    unsigned waiting[2];
    unsigned inbound_lent;
    struct signers *signers; /* NULL until a key wants deadlines */
    struct waits waits;
    struct pin *pin;     /* in use; NULL before the first login */
    struct pin *former;  /* the parent's, while an open in a child proves another; else NULL */
    long long locked_ms; /* when the token last said that its PIN is locked; 0: it has not */
    unsigned epoch;      /* the module's, when we attached; 0: not attached */
    unsigned generation;
    bool attaching;                /* no session is lent; sessions that are must come back first */
    pthread_cond_t attach_changed; /* a session came back, or attaching is over */
    unsigned overstaying;          /* lent since an attempt gave up waiting for them */
    unsigned gave_up_count;        /* counts those attempts */
    unsigned
        restart_pause_ms;   /* between restarts of the module for this token; 0: the last helped */
    long long restart_ms;   /* when the last restart was */
    unsigned restart_epoch; /* the epoch that the last restart ended */
    CK_SLOT_ID slot;
    CK_FLAGS slot_flags;
    CK_SESSION_HANDLE anchor;
    bool counts_pins;   /* as far as is known: its PIN may lock */
    bool wants_login;   /* without CKF_LOGIN_REQUIRED, but of no use to who is not logged in */
    bool unasked_tried; /* a login to settle that */
    bool login_is_ours; /* not that of another user of the module in this process */
    unsigned open;      /* sessions of the pool, lent or idle */
    unsigned limit;     /* learned down from CKR_SESSION_COUNT */
    unsigned idle_len;
    CK_SESSION_HANDLE *idle; /* max_sessions of them, last in first out */
};

extern pthread_mutex_t token_registry_lock;
struct token *token_first_locked(void); /* under token_registry_lock */

/* All below under `lock`, and inside a use of the module where it is called. */

/* CKR_OK at once where the attachment is of this epoch. */
MUST_USE CK_RV token_attach_locked(struct token *token, nk_error *err);
/* Gives up sessions, slot and login of before, once no session is lent any more, and attaches.
 * Nothing is done if `generation` is over. */
MUST_USE CK_RV token_attach_anew_locked(struct token *token, unsigned generation, nk_error *err);
/* Closes our sessions and ends a login of ours, as far as they are still there. */
void token_detach_locked(struct token *token);
void token_forget_attachment_locked(struct token *token); /* what is left of it is void */

/* In the anchor session. CKR_OK at once where a login holds. */
MUST_USE CK_RV token_login_locked(struct token *token, nk_error *err);
/* token_login_unasked. */
MUST_USE CK_RV token_login_unasked_locked(struct token *token, bool *ret_logged_in, nk_error *err);
/* token_login_locked with the PIN read anew; another generation if it succeeds. */
MUST_USE CK_RV token_login_again_locked(struct token *token, nk_error *err);

/* Sends the PIN in the anchor session, unless `flags` of the token or a refusal of before say that
 * sending may cost the token. */
MUST_USE CK_RV token_send_pin_locked(struct token *token, CK_FLAGS flags, nk_error *err);
/* Reads the PIN anew where its source can be; a source that fails keeps the old PIN. */
void token_refresh_pin_locked(struct token *token);
/* The login that this process has, if any, came with its parent's memory. */
bool token_pin_is_unproven_locked(const struct token *token);

#endif
