/* SPDX-License-Identifier: Apache-2.0
 * Token administration: all that the operator's command may know of the token side beyond hsm.h.
 * Looking at tokens, making them, making keys. No PKCS#11 types appear here. Strings in requests
 * are borrowed for the call; functions are for one thread at a time, [one], but where [any]
 * stands. */
#ifndef NODEKEY_HSM_ADMIN_H
#define NODEKEY_HSM_ADMIN_H

#include <stddef.h>
#include <time.h>

#include "hsm.h"

#define HSM_KEY_TYPE_BYTES 24

/* --- looking --- */

enum hsm_object_kind { HSM_PRIVATE_KEY = 1, HSM_PUBLIC_KEY, HSM_CERTIFICATE };

/* Texts are one line of UTF-8, with '?' for other bytes and characters; the URI has the bytes
 * themselves, escaped. */
struct hsm_object {
    enum hsm_object_kind kind;
    char *label;                   /* "": none */
    char *id;                      /* hex; "": none */
    char type[HSM_KEY_TYPE_BYTES]; /* keys: "P-256", "RSA-3072", "Ed25519"; "": the token does not
                                      say */
    char subject[256];             /* certificates, RFC 2253 */
    time_t not_after;              /* certificates; -1: cannot be read */
    bool sensitive; /* private keys; an attribute that the token does not tell counts as the worse
                       value */
    bool extractable;
    bool born_here;  /* generated on the token, and has never been extractable */
    bool birth_told; /* false: the token does not say all of that, and denies none */
    char *uri;       /* RFC 7512; NULL: it has neither label nor id */
};

struct hsm_token {
    char label[33];
    char manufacturer[33];
    char model[17];
    char serial[17];
    char *uri; /* NULL when not initialised */
    bool initialised;
    bool pin_set;
    bool pin_locked;
    bool pin_final_try;
    bool hardware;  /* as the module claims */
    bool logged_in; /* private objects are among these, too */
    char *trouble;  /* one line: why not all of its objects are here; NULL: they are */
    struct hsm_object *objects;
    size_t len;
};

struct hsm_listing {
    struct hsm_token *tokens;
    size_t len;
    char *looked; /* the module's path, and what told it where its tokens are */
};

/* A listing of a module. `pin` absent: no login. Else `uri` (node.key's) or `label` names the
 * token to log in to; both NULL: the only one that there is. */
struct hsm_list_request {
    const char *module;
    const char *uri;
    const char *label;
    struct hsm_pin_source pin;
    const char *state_dir; /* or NULL: refused PINs are neither looked up nor remembered */
    const nk_host *host;
};
/* Lists the tokens of a module and their objects; of one that fails it says so in `trouble`.
 * *ret_listing is owned: hsm_listing_clear.
 * NK_E_CONFIG: no such module, or several tokens fit. NK_E_PIN: the PIN is refused. NK_E_TOKEN:
 * no such token, or the module fails. [one] */
MUST_USE nk_status hsm_list(const struct hsm_list_request *request, struct hsm_listing *ret_listing,
                            nk_error *err);
void hsm_listing_clear(struct hsm_listing *listing);

/* Whether two URIs of keys say the same of the token; false for what is no URI. [any] */
bool hsm_same_token(const char *uri, const char *other);

/* --- making a token --- */

struct hsm_init_request {
    const struct hsm_key_request *key; /* its module, URI, PIN and host are used */
    struct hsm_pin_source so_pin;
    const nk_host *so_host; /* asked for it by HSM_PIN_PROMPT */
};
/* Initialises the one blank slot with the label of the URI, then sets the user PIN. *ret_label
 * is owned: free. NK_E_CONFIG: the URI names no label. NK_E_PIN: a PIN cannot be had, has a
 * length that the token does not take, or both are equal. NK_E_TOKEN: a token of that label is
 * there, or no slot is blank, or several are. The token is touched in none of these cases. [one] */
MUST_USE nk_status hsm_init_token(const struct hsm_init_request *request, char **ret_label,
                                  nk_error *err);

/* --- refused PINs --- */

struct hsm_pin_news {
    char label[33];
    bool locked; /* these three as the token says, which TPMs do not */
    bool final_try;
    bool count_low;
    size_t refused; /* PINs that state_dir remembers */
};
/* State of the user PIN as the token of `request->uri` and `request->state_dir` tell it, without
 * a login. NK_E_CONFIG: there is no state_dir. NK_E_PIN: its file is damaged. NK_E_TOKEN: no
 * such token. [one] */
MUST_USE nk_status hsm_pin_look(const struct hsm_key_request *request,
                                struct hsm_pin_news *ret_news, nk_error *err);
/* The same, after state_dir has forgotten all PINs that this token refused, in a damaged file,
 * too. *ret_forgot: there was a file. [one] */
MUST_USE nk_status hsm_pin_forget(const struct hsm_key_request *request, bool *ret_forgot,
                                  struct hsm_pin_news *ret_news, nk_error *err);

/* Whether the PIN can be had from its source, which is read but for those that can be asked only
 * once (fd, prompt, protected); it is sent nowhere. NK_E_PIN names the file and the cure. [one] */
MUST_USE nk_status hsm_pin_source_check(const struct hsm_pin_source *source, const nk_host *host,
                                        nk_error *err);

/* --- another PIN --- */

struct hsm_pin_change {
    const struct hsm_key_request *key; /* its PIN is the present one: a file, or asked for */
    struct hsm_pin_source next;
    const nk_host *next_host; /* asked for it by HSM_PIN_PROMPT */
};
struct hsm_pin_changed {
    char label[33];
    bool finished; /* a change that was interrupted before */
    bool changed;  /* false: the token has that PIN already */
};
/* Gives the token of the URI another user PIN, and its file with it. Killed at any moment, the next
 * login finds the one that the token takes: the new PIN is in FILE.next before the token is asked
 * (pin/pin_place.h). Two logins, one with each. NK_E_PIN: a PIN cannot be had, is refused, or has a
 * length that the token does not take. NK_E_CONFIG: the PIN's source cannot be written, another
 * change is under way, or the module lacks C_SetPIN. NK_E_TOKEN: no such token, or C_SetPIN fails.
 * The token keeps its old PIN unless the text says what it has, and where that is. [one] */
MUST_USE nk_status hsm_pin_change(const struct hsm_pin_change *change,
                                  struct hsm_pin_changed *ret_changed, nk_error *err);

/* Whether such a change was interrupted, and no login has ended it yet: FILE.next is there, written
 * for the file as it is. [any] */
bool hsm_pin_change_is_left(const struct hsm_pin_source *source);

/* --- one token, logged in --- */

struct hsm_admin;

/* Finds the token of `request->uri` and logs in; the PIN is read once. *ret_admin is owned:
 * hsm_admin_close. Errors as hsm_list. [one] */
MUST_USE nk_status hsm_admin_open(const struct hsm_key_request *request,
                                  struct hsm_admin **ret_admin, nk_error *err);
/* The same for a second key with the same source of the PIN: on the sibling's token its login
 * counts, and no PIN is read. `sibling` may be NULL, and stays until *ret_admin is closed. [one] */
MUST_USE nk_status hsm_admin_open_beside(const struct hsm_key_request *request,
                                         const struct hsm_admin *sibling,
                                         struct hsm_admin **ret_admin, nk_error *err);
/* Logs out; NULL is allowed. Keys of hsm_admin_use must be shut and released before. [one] */
void hsm_admin_close(struct hsm_admin *admin);
DEFINE_AUTO(struct hsm_admin *, hsm_admin_close);
/* Label of the token; borrowed until hsm_admin_close. [one] */
const char *hsm_admin_label(const struct hsm_admin *admin);

/* Reads the public half of the private key that the URI names; NULL when several fit, or the token
 * does not tell it. *ret_public is owned: EVP_PKEY_free. NK_E_IDENTITY: no such key. [one] */
MUST_USE nk_status hsm_admin_find(struct hsm_admin *admin, EVP_PKEY **ret_public, nk_error *err);
/* The same, where NULL is an error. `hint`, or NULL, is a public key that may be the half; of
 * several private keys it tells which, and hsm_admin_use proves that. NK_E_IDENTITY: not told.
 * NK_E_CONFIG: several fit, and there is no hint. [one] */
MUST_USE nk_status hsm_admin_public(struct hsm_admin *admin, EVP_PKEY *hint, EVP_PKEY **ret_public,
                                    nk_error *err);
/* The `i`th type that hsm_admin_generate makes, such as "P-256" or "RSA-3072", from 0, the usual
 * one; NULL: no more. [any] */
const char *hsm_key_type(size_t i);
/* True for those types. [any] */
bool hsm_is_key_type(const char *type);
/* Generates a key pair on the token, with label and id of the URI, that cannot leave it.
 * *ret_public is owned: EVP_PKEY_free. NK_E_IDENTITY: a key fits the URI already, or the token
 * does not make that type. NK_E_USAGE: there is no such type. [one] */
MUST_USE nk_status hsm_admin_generate(struct hsm_admin *admin, const char *type,
                                      EVP_PKEY **ret_public, nk_error *err);
/* Removes the pair that hsm_admin_generate has made; false: the pair is still there. [one] */
bool hsm_admin_discard(struct hsm_admin *admin);
/* hsm_key_open, without asking for the PIN again. `custody` NULL: that of the request. [one] */
MUST_USE nk_status hsm_admin_use(struct hsm_admin *admin, EVP_PKEY *public_key,
                                 const struct hsm_custody *custody, struct hsm_key **ret_key,
                                 nk_error *err);

#endif
