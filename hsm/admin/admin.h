/* SPDX-License-Identifier: Apache-2.0
 * Shared by the parts of token administration. */
#ifndef NODEKEY_ADMIN_H
#define NODEKEY_ADMIN_H

#include <openssl/evp.h>
#include <p11-kit/uri.h>

#include "hsm_admin.h"
#include "key/object.h"
#include "module/module.h"
#include "module/session.h"
#include "module/slots.h"
#include "module/uri.h"
#include "pin/pin.h"
#include "token/token.h"

#define ADMIN_SESSIONS 4
#define ADMIN_LOGIN_MS 10000

struct hsm_admin {
    struct hsm_key_request request; /* its strings are the three below; asks `relay` for the PIN */
    char *module_name;
    char *uri_text;
    char *state_dir; /* or NULL */
    P11KitUri *uri;
    struct module *module;
    struct token *token;
    struct token_name name;
    struct pin *pin;
    const struct hsm_admin *sibling; /* whose login and PIN are ours, too; NULL: our own are */
    nk_host host; /* the caller's */
    nk_host relay;
    CK_OBJECT_HANDLE made[2]; /* by hsm_admin_generate: public, private; 0: nothing */
};

/* The one token that fits; `uri` and `label` may be NULL. Not inside a use of the module. */
MUST_USE nk_status admin_pick(struct module *module, P11KitUri *uri, const char *label,
                              struct token_name *ret_name, nk_error *err);

/* A piece of work in a session of its own, inside a use of the module; its status is the answer. */
typedef nk_status admin_piece(struct hsm_admin *admin, CK_SESSION_HANDLE session, void *arg,
                              nk_error *err);
MUST_USE nk_status admin_work(struct hsm_admin *admin, CK_FLAGS flags, admin_piece *do_it,
                              void *arg, nk_error *err);

/* Whether the token takes a PIN of that length; `what` is "user PIN". NK_E_PIN: it does not;
 * NK_E_TOKEN: the module says what cannot be. */
MUST_USE nk_status admin_check_length(const CK_TOKEN_INFO *info, const char *label,
                                      const struct pin *pin, const char *what, nk_error *err);

/* The private keys that fit the URI; as object_find_named. */
MUST_USE nk_status admin_find_keys(struct hsm_admin *admin, CK_SESSION_HANDLE session,
                                   handles_ptr *ret_found, CK_ULONG *ret_len, nk_error *err);

struct admin_look { /* of one token */
    const struct cryptoki *call;
    CK_SESSION_HANDLE session;
    const CK_TOKEN_INFO *info;
    bool namesakes; /* its label alone does not tell it from the others */
    struct hsm_token *token;
};
/* Descriptions in zeroed structs; members that the token does not tell stay empty. CKR_OK unless
 * the module lies, or there is no memory. Inside a use of the module. */
void admin_describe_token(struct hsm_token *token, const CK_TOKEN_INFO *info, CK_FLAGS slot_flags);
MUST_USE CK_RV admin_describe_object(const struct admin_look *look, CK_OBJECT_CLASS object_class,
                                     CK_OBJECT_HANDLE handle, struct hsm_object *object);

#endif
