/* SPDX-License-Identifier: Apache-2.0
 * Opening a key: on the caller's thread what is ours and the host's, on one of their own the calls
 * into the module, which may hang. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "base/fork.h"
#include "base/report.h"
#include "base/words.h"
#include "key/key.h"
#include "key/key_preflight.h"
#include "key/key_ways.h"
#include "pin/pin.h"
#include "token/token_find.h"
#include "wait/bounded_call.h"

/* An opening has copies of everything that the caller lends: the calls may outlive the caller. */
struct opening {
    struct bounded_call bounded; /* first: the thread knows no more */
    struct hsm_key *key;
    char *module_name;
    char *state_dir; /* or NULL */
    struct token_terms terms;
    bool left; /* the caller's: the rest is the thread's then */

    struct module *module;
    bool absent; /* the token does not show: look again */
    struct token_name name;
    struct pin *pin;
};

static void drop_opening(struct opening *opening)
{
    bounded_call_drop(&opening->bounded);
}

DEFINE_AUTO(struct opening *, drop_opening);

static void clear_opening(struct bounded_call *bounded)
{
    struct opening *opening = (struct opening *)bounded;

    hsm_key_unref(opening->key);
    pin_free(opening->pin);
    free(opening->module_name);
    free(opening->state_dir);
}

/* --- what needs no token --- */

static nk_status check_public_key(const struct hsm_key *key, nk_error *err)
{
    char its[KEY_KIND_TEXT_BYTES];
    char ours[128] = "";

    if (key->kind != NULL) {
        return NK_OK;
    }
    key_kind_print(key->public_key, its);
    for (size_t i = 0; key_kind_at(i) != NULL; i++) {
        size_t used = strlen(ours);
        snprintf(ours + used, sizeof(ours) - used, ", %s", key_kind_at(i)->name);
    }
    return report(err, NK_E_IDENTITY,
                  "%s is for a %s key; used are%s, and RSA of sizes between: make another "
                  "key",
                  words()->public_half,
                  its[0] != '\0' ? its : EVP_PKEY_get0_type_name(key->public_key), ours + 1);
}

static struct hsm_key *make_key(const struct hsm_key_request *request, EVP_PKEY *leaf_public)
{
    struct hsm_key *key = calloc(1, sizeof(*key));

    if (key == NULL) {
        return NULL;
    }
    atomic_init(&key->refs, 1);
    pthread_mutex_init(&key->lock, NULL);
    key->custody = request->custody;
    key->host = request->host != NULL ? *request->host : (nk_host){ .struct_size = 0 };
    key->words = words();
    key->uri_text = strdup(request->uri);
    EVP_PKEY_up_ref(leaf_public);
    key->public_key = leaf_public;
    key->kind = key_kind_of(leaf_public);
    if (key->uri_text == NULL || RAND_bytes(key->handle, sizeof(key->handle)) != 1) {
        hsm_key_unref(key);
        return NULL;
    }
    return key;
}

static struct opening *begin_opening(const struct hsm_key_request *request, EVP_PKEY *leaf_public)
{
    struct opening *opening = bounded_call_new(sizeof(*opening), NULL, clear_opening);

    if (opening == NULL) {
        return NULL;
    }
    opening->key = make_key(request, leaf_public);
    opening->module_name = strdup(request->module);
    opening->state_dir = request->state_dir != NULL ? strdup(request->state_dir) : NULL;
    if (opening->key == NULL || opening->module_name == NULL ||
        (request->state_dir != NULL && opening->state_dir == NULL)) {
        drop_opening(opening);
        return NULL;
    }
    opening->bounded.where = opening->module_name;
    opening->terms =
        (struct token_terms){ .settings = request->token, .state_dir = opening->state_dir };
    return opening;
}

/* --- on a thread of its own --- */

static void reach_token(struct bounded_call *bounded)
{
    struct opening *opening = (struct opening *)bounded;
    const struct hsm_key *key = opening->key;

    opening->bounded.status =
        module_get(opening->module_name, &opening->module, &opening->bounded.err);
    if (opening->bounded.status == NK_OK) {
        opening->bounded.status = token_find(opening->module, key->uri, key->uri_text, words()->key,
                                             &opening->name, &opening->bounded.err);
        opening->absent = opening->bounded.status == NK_E_TOKEN;
    }
}

static nk_status check_hardware(struct hsm_key *key, nk_error *err)
{
    key->hardware = (token_slot_flags(key->token) & CKF_HW_SLOT) != 0;
    if (key->custody.require_hardware && !key->hardware) {
        return report(err, NK_E_IDENTITY,
                      "node.require_hardware: token \"%s\" does not claim to be hardware "
                      "(CKF_HW_SLOT); use a hardware token or drop the requirement",
                      key->label);
    }
    return NK_OK;
}

static nk_status make_signers(struct hsm_key *key, unsigned sign_timeout_ms, nk_error *err)
{
    key->sign_timeout_ms = sign_timeout_ms;
    key->signers = token_signers(key->token);
    return key->signers != NULL ? NK_OK : report(err, NK_E_NOMEM, "out of memory");
}

/* The second, too: what is written anew at each login is also where its PIN is kept. */
static bool shows_no_token(const nk_error *err)
{
    return err->native_kind == NK_NATIVE_CKR &&
           (err->native == CKR_TOKEN_NOT_PRESENT || err->native == CKR_USER_PIN_NOT_INITIALIZED);
}

static nk_status join_token(struct opening *opening)
{
    struct hsm_key *key = opening->key;
    nk_error *err = &opening->bounded.err;
    nk_status status = NK_OK;

    if (key->token == NULL) { /* else its sibling's */
        status = token_join_by(opening->module, &opening->name, &opening->terms, &opening->pin,
                               &key->token, err);
        opening->absent = status != NK_OK && shows_no_token(err);
    }
    if (status == NK_OK) {
        status = check_hardware(key, err);
    }
    if (status == NK_OK) {
        status = key_prove_all(key, err);
    }
    if (status == NK_OK) {
        status = make_signers(key, opening->terms.settings.sign_timeout_ms, err);
    }
    if (status == NK_OK) {
        status = key_digest_public(key, err);
    }
    return status == NK_OK ? key_make_inbound(key, err) : status;
}

static void join_and_prove_key(struct bounded_call *bounded)
{
    struct opening *opening = (struct opening *)bounded;

    opening->bounded.status = join_token(opening);
    if (opening->bounded.status != NK_OK && !opening->absent) {
        hsm_key_shut(opening->key, 0);
    }
}

static void undo_opening(struct bounded_call *bounded)
{
    struct opening *opening = (struct opening *)bounded;

    if (opening->bounded.status == NK_OK) {
        hsm_key_shut(opening->key, 0);
    }
}

/* --- on the caller's --- */

static nk_status run_step(struct opening *opening, void (*run)(struct bounded_call *bounded),
                          nk_error *err)
{
    unsigned patience_ms = opening->terms.settings.login_timeout_ms;

    opening->absent = false;
    opening->bounded.run = run;
    enum bounded_call_end end = bounded_call_run(&opening->bounded, patience_ms, false);
    opening->left = end == BOUNDED_CALL_LEFT;
    if (end != BOUNDED_CALL_DONE && end != BOUNDED_CALL_LEFT && opening->key->token != NULL) {
        token_leave(opening->key->token); /* its sibling's: not the last */
        opening->key->token = NULL;
    }
    return bounded_call_report(&opening->bounded, end, patience_ms, err);
}

/* The host is asked on the thread that it called from. A sibling's token needs no PIN. */
static nk_status have_pin(struct opening *opening, const struct hsm_key_request *request,
                          nk_error *err)
{
    const struct hsm_key *sibling = request->sibling;

    memcpy(opening->key->label, opening->name.label, sizeof(opening->key->label));
    if (sibling != NULL && token_module(sibling->token) == opening->module &&
        token_name_equal(token_known_as(sibling->token), &opening->name)) {
        opening->key->token = token_share(sibling->token);
        return NK_OK;
    }
    if (sibling != NULL && request->pin.kind == HSM_PIN_FD) { /* it has been read and closed */
        return report(err, NK_E_CONFIG,
                      "pin.fd: one descriptor cannot hold the PINs of two tokens; use files or two "
                      "descriptors");
    }
    if (opening->pin != NULL) { /* of the look before */
        return NK_OK;
    }
    return pin_open(&request->pin, opening->name.label, request->host, &opening->pin, err);
}

static nk_status look_for_token(struct opening *opening, const struct hsm_key_request *request,
                                nk_error *err)
{
    nk_status status = run_step(opening, reach_token, err);
    if (status == NK_OK) {
        status = have_pin(opening, request, err);
    }
    if (status == NK_OK) {
        opening->bounded.undo = undo_opening;
        status = run_step(opening, join_and_prove_key, err);
    }
    return status;
}

static nk_status open_prepared(struct opening *opening, const struct hsm_key_request *request,
                               nk_error *err)
{
    struct hsm_key *key = opening->key;
    nk_status status = uri_parse(request->uri, &key->uri, err);
    if (status == NK_OK) {
        status = check_public_key(key, err);
    }
    if (status != NK_OK) {
        return status;
    }
    nk_error own = { .struct_size = sizeof(own) };
    status = look_for_token(opening, request, &own);
    /* An opening that was left behind is its thread's: not read. */
    for (unsigned i = 1; i < TOKEN_LOOKS && !opening->left && opening->absent; i++) {
        token_find_pause(i);
        own = (nk_error){ .struct_size = sizeof(own) };
        status = look_for_token(opening, request, &own);
    }
    return status == NK_OK ? NK_OK : report_copy(err, &own);
}

/* A sibling on the same token has said so. */
static void warn_of_restarts(const struct hsm_key *key, const struct hsm_key *sibling)
{
    if ((sibling == NULL || sibling->token != key->token) && token_forgets_refusals(key->token)) {
        log_line(&key->host, NK_LOG_WARNING,
                 "token \"%s\" may count wrong PINs and lock, and each start sends a wrong one "
                 "anew; set %s (systemd: StateDirectory=), so that a refused one is sent once",
                 key->label, words()->state_dir);
    }
}

nk_status hsm_key_open(const struct hsm_key_request *request, EVP_PKEY *leaf_public,
                       struct hsm_key **ret_key, nk_error *err)
{
    nk_error ignored = { .struct_size = sizeof(ignored) };
    err = err != NULL ? err : &ignored;
    if (fork_is_foreign()) {
        return report(err, NK_E_USAGE, FORK_FOREIGN_TEXT);
    }
    AUTO(words_restore) const struct hsm_words *former = words_use(request->words);
    AUTO(drop_opening) struct opening *opening = begin_opening(request, leaf_public);
    if (opening == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    nk_status status = open_prepared(opening, request, err);
    if (status != NK_OK) {
        return status;
    }
    struct hsm_key *key = opening->key;
    hsm_key_ref(key);
    key_register(key);
    key_register(key->inbound_key);
    key_tell_ways(key);
    warn_of_restarts(key, request->sibling);
    *ret_key = key;
    return NK_OK;
}
