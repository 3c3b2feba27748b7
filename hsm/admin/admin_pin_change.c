/* SPDX-License-Identifier: Apache-2.0
 * Another user PIN, in the token and in its file. What is on the disk at each step, and why, is in
 * pin/pin_place.h. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "admin/admin.h"
#include "base/report.h"
#include "base/words.h"
#include "pin/pin_place.h"
#include "pin/refused_file.h"

struct change {
    const struct hsm_key_request *key;
    struct hsm_admin *admin; /* logged in with the old PIN; owned */
    struct pin *next;        /* owned */
    struct pin_place place;  /* its folder is -1 where the PIN is in no file */
    CK_RV rv;                /* of C_SetPIN */
};

/* --- what a change needs --- */

static nk_status check_source(const struct hsm_pin_source *source, nk_error *err)
{
    switch (source->kind) {
    case HSM_PIN_FILE:
    case HSM_PIN_PROMPT:
        return NK_OK;
    case HSM_PIN_CREDENTIAL:
        return report(
            err, NK_E_CONFIG,
            "%s: a credential is a copy that systemd made, so the new PIN would not last; "
            "change it by a configuration whose pin.file is the file that LoadCredential= "
            "names, and restart the unit (encrypted: `systemd-creds decrypt' it to a file "
            "of mode 0600, change the PIN with that as pin.file, `systemd-creds encrypt "
            "--name=%s' the file, shred it)",
            words()->pin_credential, source->where);
    case HSM_PIN_PROTECTED:
        return report(err, NK_E_CONFIG,
                      "%s.protected: the PIN is typed at the token, and changed there "
                      "(pkcs11-tool --login --change-pin, or the maker's program)",
                      words()->pin);
    case HSM_PIN_FD:
    case HSM_PIN_ABSENT:
        break;
    }
    return report(err, NK_E_CONFIG,
                  "%s: a new PIN cannot be kept where this one comes from; change it by a "
                  "configuration with pin.prompt, then hand on the new one",
                  words()->pin);
}

static nk_status read_next_pin(struct change *change, const struct hsm_pin_change *wanted,
                               nk_error *err)
{
    struct hsm_words new_pin = *words();
    new_pin.pin = new_pin.pin_credential = new_pin.pin_prompt = "new PIN";
    AUTO(words_restore) const struct hsm_words *former = words_use(&new_pin);

    return pin_open(&wanted->next, change->admin->name.label, wanted->next_host, &change->next,
                    err);
}

/* A token that asks for no login has not judged the old PIN yet, and C_SetPIN must not be first. */
static nk_status ask_token(struct hsm_admin *admin, CK_SESSION_HANDLE session, void *arg,
                           nk_error *err)
{
    const struct change *change = arg;
    bool logged_in = false;
    CK_TOKEN_INFO info;
    CK_SLOT_ID slot = 0;

    (void)session;
    CK_RV rv = slots_find(admin->module, &admin->name, &slot);
    rv = rv == CKR_OK ? cryptoki_get_token_info(admin->module->call, slot, &info) : rv;
    rv = rv == CKR_OK ? token_login_unasked(admin->token, &logged_in, err) : rv;
    return rv == CKR_OK ? admin_check_length(&info, admin->name.label, change->next, "new PIN", err)
                        : report_ckr(err, NK_E_TOKEN, rv, "ask token \"%s\" for its state",
                                     admin->name.label);
}

/* A PIN that is marked as refused would not be sent by the next login. */
static nk_status check_marks(const struct change *change, nk_error *err)
{
    const struct hsm_admin *admin = change->admin;
    AUTO(refused_file_close) struct refused_file *state = NULL;
    bool refused = false;
    if (admin->state_dir == NULL) {
        return NK_OK;
    }
    nk_status status = refused_file_open(admin->state_dir, &admin->name,
                                         admin->request.token.login_timeout_ms, &state, err);
    if (status == NK_OK) {
        status = refused_file_refuses(state, change->next, &refused, err);
    }
    return status == NK_OK && refused
               ? report(err, NK_E_PIN,
                        "token \"%s\" has refused the new PIN before, so nodes would not send it; "
                        "take another, or have that forgotten first: nodekey pin CONFIG --reset",
                        admin->name.label)
               : status;
}

/* Whoever changed the PIN between our login and our lock has another one in the file now. */
static nk_status hold_file(struct change *change, nk_error *err)
{
    const struct hsm_pin_source *source = &change->key->pin;
    struct pin *now = NULL;
    if (source->kind != HSM_PIN_FILE) {
        return NK_OK;
    }
    nk_status status =
        pin_place_lock(source->where, change->key->token.login_timeout_ms, &change->place, err);
    if (status == NK_OK) {
        status = pin_open(source, change->admin->name.label, NULL, &now, err);
    }
    if (status == NK_OK && !pin_equal(now, change->admin->pin)) {
        status = report(err, NK_E_CONFIG, "%s: %s does not hold the PIN that the token takes%s",
                        words()->pin, source->where,
                        pin_is_next(change->admin->pin)
                            ? ", which is in its .next file; rename that to it first"
                            : " any more; try again");
    }
    pin_free(now);
    return status;
}

/* --- the change --- */

/* An interrupt waits until the token has answered: SoftHSM writes its file in place. */
static nk_status call_set_pin(struct hsm_admin *admin, CK_SESSION_HANDLE session, void *arg,
                              nk_error *err)
{
    struct change *change = arg;
    sigset_t all;
    sigset_t old;

    (void)err;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    change->rv =
        cryptoki_set_pin(admin->module->call, session, pin_bytes(admin->pin), pin_len(admin->pin),
                         pin_bytes(change->next), pin_len(change->next));
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return change->rv == CKR_OK ? NK_OK : NK_E_TOKEN;
}

/* Answers by which the token says that it has kept the old PIN; others, such as an error of its
 * line, tell nothing. */
static bool kept_old_pin(CK_RV rv)
{
    return ckr_refuses_pin(rv) || rv == CKR_PIN_TOO_WEAK || rv == CKR_PIN_LOCKED ||
           rv == CKR_FUNCTION_NOT_SUPPORTED || rv == CKR_SESSION_READ_ONLY ||
           rv == CKR_TOKEN_WRITE_PROTECTED || rv == CKR_ACTION_PROHIBITED;
}

static nk_status report_failure(const struct change *change, nk_error *err)
{
    const char *label = change->admin->name.label;
    bool in_file = change->place.folder >= 0;

    if (kept_old_pin(change->rv)) {
        if (in_file) {
            pin_place_drop_next(&change->place);
        }
        return report_ckr(err, NK_E_TOKEN, change->rv,
                          "token \"%s\" does not take the new PIN, and has its old one", label);
    }
    return report_ckr(err, NK_E_TOKEN, change->rv,
                      "token \"%s\" does not say whether it has the old PIN or the new one%s",
                      label,
                      in_file ? "; the new one is in the .next file beside the old one, and the "
                                "next login finds out"
                              : "; try both, the new one first");
}

static nk_status set_pin(struct change *change, nk_error *err)
{
    nk_error own = { .struct_size = sizeof(own) };
    change->rv = CKR_OK;
    nk_status status = admin_work(change->admin, CKF_RW_SESSION, call_set_pin, change, &own);
    if (status == NK_OK) {
        return NK_OK;
    }
    if (change->rv != CKR_OK) {
        return report_failure(change, err);
    }
    if (change->place.folder >= 0) { /* C_SetPIN was not called */
        pin_place_drop_next(&change->place);
    }
    return report_copy(err, &own);
}

static nk_status hand_on_next(void *host_data, const char *token_label, char *buf, size_t room,
                              size_t *ret_len)
{
    const struct pin *next = host_data;

    (void)token_label;
    if (pin_len(next) > room) {
        return NK_E_PIN;
    }
    memcpy(buf, pin_bytes(next), pin_len(next));
    *ret_len = pin_len(next);
    return NK_OK;
}

/* A login of its own: that of the old PIN is over. */
static nk_status prove_next(struct change *change, const char *label, nk_error *err)
{
    AUTO(hsm_admin_close) struct hsm_admin *proof = NULL;
    const nk_host host = { .struct_size = sizeof(host),
                           .host_data = change->next,
                           .ask_pin = hand_on_next };
    struct hsm_key_request request = *change->key;
    request.pin = (struct hsm_pin_source){ .kind = HSM_PIN_PROMPT };
    request.host = &host;
    hsm_admin_close(change->admin);
    change->admin = NULL;
    nk_status status = hsm_admin_open(&request, &proof, err);
    if (status == NK_OK) {
        status = admin_work(proof, 0, ask_token, change, err);
    }
    return report_where(
        err, status,
        "token \"%s\" said that it has the new PIN now%s, but a login with it "
        "fails",
        label, change->place.folder >= 0 ? ", which is in the .next file beside the old one" : "");
}

static nk_status carry_out(struct change *change, const char *label, nk_error *err)
{
    struct hsm_admin *admin = change->admin;
    nk_status status =
        cryptoki_need(admin->module->call, CRYPTOKI_C_SetPIN, admin->module->path, err);
    if (status == NK_OK) {
        status = admin_work(admin, 0, ask_token, change, err);
    }
    if (status == NK_OK) {
        status = check_marks(change, err);
    }
    if (status == NK_OK && change->place.folder >= 0) {
        status = pin_place_write_next(&change->place, change->next, err);
    }
    if (status == NK_OK) {
        status = set_pin(change, err);
    }
    if (status == NK_OK) {
        status = prove_next(change, label, err);
    }
    return status == NK_OK && change->place.folder >= 0 ? pin_place_finish(&change->place, err)
                                                        : status;
}

/* A FILE.next that is there although FILE's PIN worked is of a change that did not reach the token:
 * it is replaced, or is in nobody's way any more. */
static nk_status change_or_leave(struct change *change, struct hsm_pin_changed *changed,
                                 nk_error *err)
{
    changed->changed = !pin_equal(change->next, change->admin->pin);
    if (changed->changed) {
        return carry_out(change, changed->label, err);
    }
    if (change->place.folder >= 0) {
        pin_place_drop_next(&change->place);
    }
    return NK_OK;
}

static nk_status change_with(struct change *change, const struct hsm_pin_change *wanted,
                             struct hsm_pin_changed *changed, nk_error *err)
{
    nk_status status = hsm_admin_open(change->key, &change->admin, err);
    if (status != NK_OK) {
        return status;
    }
    snprintf(changed->label, sizeof(changed->label), "%s", change->admin->name.label);
    changed->finished = pin_is_next(change->admin->pin);
    status = read_next_pin(change, wanted, err);
    if (status == NK_OK) {
        status = hold_file(change, err);
    }
    return status == NK_OK ? change_or_leave(change, changed, err) : status;
}

bool hsm_pin_change_is_left(const struct hsm_pin_source *source)
{
    return source->kind == HSM_PIN_FILE && pin_place_is_left(source->where);
}

nk_status hsm_pin_change(const struct hsm_pin_change *wanted, struct hsm_pin_changed *ret_changed,
                         nk_error *err)
{
    struct hsm_pin_changed changed = { .finished = false };
    struct change change = { .key = wanted->key, .place = { .folder = -1 } };
    nk_status status = check_source(&wanted->key->pin, err);
    if (status == NK_OK) {
        status = change_with(&change, wanted, &changed, err);
    }
    pin_place_unlock(&change.place);
    pin_free(change.next);
    hsm_admin_close(change.admin);
    if (status == NK_OK) {
        *ret_changed = changed;
    }
    return status;
}
