/* SPDX-License-Identifier: Apache-2.0
 * One token of one module, shared by all who use it in this process, since PKCS#11 knows one login
 * per process: an anchor session that holds the login and is never lent, and a pool of sessions to
 * sign in, each lent to one thread at a time. A token that has but one session gets along with
 * that. */
#ifndef NODEKEY_TOKEN_H
#define NODEKEY_TOKEN_H

#include "hsm.h"
#include "module/ckr.h"
#include "module/module.h"
#include "module/token_name.h"

struct pin;
struct token; /* counted by token_join and token_leave */

/* The first user's terms hold for all who share the token. */
struct token_terms {
    const struct hsm_pin_source *pin; /* of token_join alone */
    struct hsm_token_settings settings;
    const char *state_dir; /* or NULL */
    const nk_host *host;   /* asked for the PIN; not kept */
};

/* Logs in unless another user has; then the PIN must equal the one that is in use. NK_E_PIN: the
 * PIN is absent, wrong, refused before, locked, on its last try. NK_E_TOKEN: the token is away, or
 * its module fails. NK_E_NOMEM. *ret_token is owned: token_leave. [any], not inside a use of it */
MUST_USE nk_status token_join(struct module *module, const struct token_name *name,
                              const struct token_terms *terms, struct token **ret_token,
                              nk_error *err);
/* Adds a user to a token that has been joined; no PIN is asked for. Owned: token_leave. [any] */
struct token *token_share(struct token *token);
/* token_join with a PIN that was read before: *pin is taken over, and NULL then, if it is the first
 * that works. Errors as token_join. [any], not inside a use of the module */
MUST_USE nk_status token_join_by(struct module *module, const struct token_name *name,
                                 const struct token_terms *terms, struct pin **pin,
                                 struct token **ret_token, nk_error *err);
/* The last user closes all sessions, logs out (a TPM leaks a slot otherwise) and wipes the PIN.
 * [any], not inside a use of the module, nor while a thread of the same user hangs in one */
void token_leave(struct token *token);

/* A session, for one thread, inside a use of the module. */
struct lease {
    CK_SESSION_HANDLE session;
    bool inbound;
    unsigned generation;    /* of the login: object handles of another generation are void */
    unsigned gave_up_count; /* see struct token */
};

/* Enters the module, attaches to the token anew if the module was re-initialised, and lends a
 * session; waits at most login_timeout_ms for one: CKR_SESSION_COUNT. Else as module_enter, or what
 * the module answers. Each CKR_OK needs one token_give. `err` gets a sentence where one is known,
 * may be NULL. [any], not inside a use of the module */
MUST_USE CK_RV token_take(struct token *token, struct lease *ret_lease, nk_error *err);
/* Likewise for a peer who dialled us: one session is kept from inbound signatures, so that they
 * cannot starve our own dialling, and CKR_NODEKEY_BUSY comes at once when max_waiting_inbound of
 * them wait. */
MUST_USE CK_RV token_take_inbound(struct token *token, struct lease *ret_lease, nk_error *err);
/* For a key with CKA_ALWAYS_AUTHENTICATE: the login between C_SignInit and C_Sign. The PIN is sent
 * once for each signature, but never one that was refused: CKR_PIN_INCORRECT. CKR_PIN_LOCKED, else
 * what the module answers. [any], with the lease of `session` */
MUST_USE CK_RV token_authenticate(struct token *token, CK_SESSION_HANDLE session, nk_error *err);
/* Logs in to a token without CKF_LOGIN_REQUIRED: flags are hints, and the key is not found without,
 * or C_Sign answers CKR_USER_NOT_LOGGED_IN. Tried once while the token is joined, and never for a
 * guest, whose host has decided. *ret_logged_in: looking again may help. Errors as token_take;
 * NK_E_PIN in *err for a PIN that is refused. [any], in a use of the module */
MUST_USE CK_RV token_login_unasked(struct token *token, bool *ret_logged_in, nk_error *err);
/* Whether it may count wrong PINs and lock, while no state_dir keeps the next start from sending a
 * refused one again: worth a warning. [any], not inside a use of the module */
bool token_forgets_refusals(struct token *token);
/* With `healthy` false the session is closed instead of lent again. [any], ends the lease */
void token_give(struct token *token, const struct lease *lease, bool healthy);

/* Recovers by one rung after a failure that was seen under `generation` and `epoch`; nothing
 * happens if another thread has done so since. RUNG_ATTACH is allowed to a guest, too: it closes
 * our sessions alone, never others', and searches all slots for the token; it waits at most
 * login_timeout_ms for sessions that are lent. RUNG_REINIT for a token that the last restart did
 * not help is refused with CKR_NODEKEY_AWAY for 0.25 s, then up to 2 s, while it would end the
 * logins of other tokens of the module. [any], not inside a use of the module, nor with a lease */
CK_RV token_recover(struct token *token, enum rung rung, unsigned generation, unsigned epoch,
                    nk_error *err);
/* For token_recover when token_take failed and gave no lease. [any] */
unsigned token_epoch(const struct token *token);

/* The signing workers of deadline mode, made at the first call; borrowed, as long as the token is.
 * NULL: out of memory. [any] */
struct signers *token_signers(struct token *token);
/* Callers that wait for it, for shared_threads.h; borrowed likewise. [any] */
struct waits *token_waits(struct token *token);

struct module *token_module(const struct token *token);
const struct token_name *token_known_as(const struct token *token);
CK_FLAGS token_slot_flags(struct token *token); /* as at the last attach [any] */
/* CKR_OK: the token signs by this mechanism, or does not tell. CKR_MECHANISM_INVALID: it does not;
 * else as the module answers. [any], with a lease */
MUST_USE CK_RV token_signs_by(const struct token *token, CK_MECHANISM_TYPE mechanism);

#endif
