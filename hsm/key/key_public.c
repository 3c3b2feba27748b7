/* SPDX-License-Identifier: Apache-2.0 */
#include "key/key_public.h"

#include <stdlib.h>
#include <string.h>

#include "base/report.h"
#include "base/words.h"
#include "key/key_find.h"
#include "key/key_half.h"
#include "token/token_find.h"
#include "wait/bounded_call.h"

/* More than TOKEN_LOOKS: all programs of a server start at the same moment. */
#define LOOKS 10

/* A lone public object tells without a signature that a key which is open is still the one of its
 * name; a key that is not open yet is looked for more strictly. */
static CK_RV read_public_once(struct hsm_key *key, EVP_PKEY **ret_public, nk_error *err)
{
    struct lease lease;
    CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;

    CK_RV rv = token_take(key->token, &lease, err);
    if (rv != CKR_OK) {
        return rv;
    }
    rv = key_locate(key, lease.session, &object, err);
    if (rv == CKR_OK) {
        rv = key_public_half(key, lease.session, object, NULL, key->public_key != NULL, ret_public,
                             err);
    }
    token_give(key->token, &lease, rv == CKR_OK);
    return rv;
}

static nk_status read_public(struct hsm_key *key, EVP_PKEY **ret_public, nk_error *err)
{
    nk_error first = { .struct_size = sizeof(first) };
    EVP_PKEY *public_key = NULL;
    unsigned epoch = token_epoch(key->token);

    CK_RV rv = read_public_once(key, &public_key, &first);
    if (rv != CKR_OK && ckr_rung(rv) == RUNG_REINIT &&
        token_recover(key->token, RUNG_REINIT, 0, epoch, &first) == CKR_OK) {
        first = (nk_error){ .struct_size = sizeof(first) };
        rv = read_public_once(key, &public_key, &first);
    }
    if (rv != CKR_OK) {
        report_ckr(&first, NK_E_TOKEN, rv, "token \"%s\"", key->label);
        return report_copy(err, &first);
    }
    if (public_key == NULL) {
        return report(
            err, NK_E_IDENTITY,
            "token \"%s\" does not tell the public half of %s, and none there verifies what "
            "it signs: write its certificate or public key there, with the id of the "
            "private key (pkcs11-tool --write-object)",
            key->label, key->uri_text);
    }
    *ret_public = public_key;
    return NK_OK;
}

/* --- on a thread of its own, since calls may hang --- */

struct looking {
    struct bounded_call bounded; /* first: the thread knows no more */
    struct hsm_key sought;
    struct hsm_key *known; /* or NULL: the token is still to be found */
    char *module_name;
    char *uri_text;
    char *pin_where;
    char *state_dir;
    struct hsm_pin_source pin;
    struct token_terms terms;

    EVP_PKEY *public_key;
    bool absent; /* the token does not show: look again */
};

static void drop_looking(struct looking *looking)
{
    bounded_call_drop(&looking->bounded);
}
DEFINE_AUTO(struct looking *, drop_looking);

static void clear_looking(struct bounded_call *bounded)
{
    struct looking *looking = (struct looking *)bounded;

    hsm_key_unref(looking->known);
    EVP_PKEY_free(looking->public_key);
    p11_kit_uri_free(looking->sought.uri);
    free(looking->module_name);
    free(looking->uri_text);
    free(looking->pin_where);
    free(looking->state_dir);
}

static nk_status join_token(struct looking *looking)
{
    struct hsm_key *sought = &looking->sought;
    struct module *module = NULL;
    struct token_name name;

    nk_status status = module_get(looking->module_name, &module, &looking->bounded.err);
    if (status == NK_OK) {
        status = token_find(module, sought->uri, sought->uri_text, words()->key, &name,
                            &looking->bounded.err);
        looking->absent = status == NK_E_TOKEN;
    }
    if (status != NK_OK) {
        return status;
    }
    memcpy(sought->label, name.label, sizeof(sought->label));
    status = token_join(module, &name, &looking->terms, &sought->token, &looking->bounded.err);
    looking->absent = status != NK_OK && looking->bounded.err.native_kind == NK_NATIVE_CKR &&
                      (looking->bounded.err.native == CKR_TOKEN_NOT_PRESENT ||
                       looking->bounded.err.native == CKR_USER_PIN_NOT_INITIALIZED);
    return status;
}

static void leave_token(struct bounded_call *bounded)
{
    struct looking *looking = (struct looking *)bounded;

    if (looking->sought.token != NULL) {
        token_leave(looking->sought.token);
        looking->sought.token = NULL;
    }
}

static void run_looking(struct bounded_call *bounded)
{
    struct looking *looking = (struct looking *)bounded;

    looking->bounded.status = looking->known != NULL ? NK_OK : join_token(looking);
    if (looking->bounded.status == NK_OK) {
        struct hsm_key *key = looking->known != NULL ? looking->known : &looking->sought;
        looking->bounded.status = read_public(key, &looking->public_key, &looking->bounded.err);
    }
    if (looking->bounded.status != NK_OK) {
        leave_token(bounded);
    }
}

/* --- on its caller's --- */

static struct looking *begin_looking(void)
{
    struct looking *looking = bounded_call_new(sizeof(*looking), run_looking, clear_looking);

    if (looking != NULL) {
        looking->bounded.undo = leave_token;
    }
    return looking;
}

static bool copy_text(const char *text, char **ret_copy)
{
    *ret_copy = text != NULL ? strdup(text) : NULL;
    return text == NULL || *ret_copy != NULL;
}

/* The calls may outlive the caller, so that a looking has copies of everything. */
static nk_status take_request(struct looking *looking, const struct hsm_key_request *request,
                              nk_error *err)
{
    if (!copy_text(request->module, &looking->module_name) ||
        !copy_text(request->uri, &looking->uri_text) ||
        !copy_text(request->pin.where, &looking->pin_where) ||
        !copy_text(request->state_dir, &looking->state_dir)) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    looking->bounded.where = looking->module_name;
    looking->sought.uri_text = looking->uri_text;
    looking->pin = (struct hsm_pin_source){ request->pin.kind, looking->pin_where, -1 };
    looking->terms = (struct token_terms){ .pin = &looking->pin,
                                           .settings = request->token,
                                           .state_dir = looking->state_dir };
    return uri_parse(looking->uri_text, &looking->sought.uri, err);
}

/* *ret_absent: looking again may help. */
static nk_status await_looking(struct looking *looking, unsigned patience_ms, EVP_PKEY **ret_public,
                               bool *ret_absent, nk_error *err)
{
    looking->absent = false;
    enum bounded_call_end end = bounded_call_run(&looking->bounded, patience_ms, false);
    nk_status status = bounded_call_report(&looking->bounded, end, patience_ms, err);
    *ret_absent = end == BOUNDED_CALL_DONE && looking->absent;
    if (status == NK_OK) {
        *ret_public = looking->public_key;
        looking->public_key = NULL;
    }
    return status;
}

nk_status key_public_open(const struct hsm_key_request *request, struct token **ret_token,
                          EVP_PKEY **ret_public, nk_error *err)
{
    nk_error last = { .struct_size = sizeof(last) };
    bool absent = false;
    AUTO(words_restore) const struct hsm_words *former = words_use(request->words);
    AUTO(drop_looking) struct looking *looking = begin_looking();
    if (looking == NULL) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    nk_status status = take_request(looking, request, &last);
    if (status == NK_OK) {
        status =
            await_looking(looking, request->token.login_timeout_ms, ret_public, &absent, &last);
    }
    for (unsigned i = 1; i < LOOKS && absent; i++) {
        token_find_pause(i);
        last = (nk_error){ .struct_size = sizeof(last) };
        status =
            await_looking(looking, request->token.login_timeout_ms, ret_public, &absent, &last);
    }
    if (status != NK_OK) {
        return report_copy(err, &last);
    }
    *ret_token = looking->sought.token;
    return NK_OK;
}

EVP_PKEY *key_public_now(struct hsm_key *key, const char *module_name, unsigned wait_ms)
{
    EVP_PKEY *public_key = NULL;
    bool absent = false;
    AUTO(words_restore) const struct hsm_words *former = words_use(key->words);
    AUTO(drop_looking) struct looking *looking = begin_looking();
    if (looking == NULL || !copy_text(module_name, &looking->module_name)) {
        return NULL;
    }
    looking->bounded.where = looking->module_name;
    hsm_key_ref(key);
    looking->known = key;
    return await_looking(looking, wait_ms, &public_key, &absent, NULL) == NK_OK ? public_key : NULL;
}
