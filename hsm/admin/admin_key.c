/* SPDX-License-Identifier: Apache-2.0
 * The key that a configuration names, and its public half. */
#include <string.h>

#include "admin/admin.h"
#include "base/report.h"
#include "key/key_find.h"
#include "key/key_half.h"
#include "module/module_needs.h"

/* --- a session for one piece of work --- */

nk_status admin_work(struct hsm_admin *admin, CK_FLAGS flags, admin_piece *do_it, void *arg,
                     nk_error *err)
{
    CK_SLOT_ID slot = 0;
    CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
    nk_status status = NK_E_TOKEN;

    CK_RV rv = module_enter(admin->module);
    if (rv != CKR_OK) {
        return report_ckr(err, NK_E_TOKEN, rv, "enter %s", admin->module->path);
    }
    rv = slots_find(admin->module, &admin->name, &slot);
    if (rv == CKR_OK) {
        rv = session_open(admin->module, slot, flags, &session);
    }
    if (rv == CKR_OK) {
        status = do_it(admin, session, arg, err);
        session_close(admin->module, session);
    } else {
        char told[384];
        module_surroundings(admin->module->path, told, sizeof(told));
        report_ckr(err, NK_E_TOKEN, rv, "open a session with token \"%s\"%s (%s)",
                   admin->name.label, rv == CKR_TOKEN_WRITE_PROTECTED ? ", which is read-only" : "",
                   told);
    }
    module_leave(admin->module);
    return status;
}

/* --- the public half --- */

nk_status admin_find_keys(struct hsm_admin *admin, CK_SESSION_HANDLE session,
                          handles_ptr *ret_found, CK_ULONG *ret_len, nk_error *err)
{
    bool logged_in = false;

    CK_RV rv = object_find_named(admin->module->call, session, admin->uri, CKO_PRIVATE_KEY,
                                 ret_found, ret_len);
    if (rv == CKR_OK && *ret_len == 0) {
        rv = token_login_unasked(admin->token, &logged_in, err);
    }
    if (rv == CKR_OK && logged_in) {
        handles_free(*ret_found);
        *ret_found = NULL;
        rv = object_find_named(admin->module->call, session, admin->uri, CKO_PRIVATE_KEY, ret_found,
                               ret_len);
    }
    return rv == CKR_OK ? NK_OK
                        : report_ckr(err, NK_E_TOKEN, rv, "search token \"%s\" for %s",
                                     admin->name.label, admin->uri_text);
}

struct sought_half {
    EVP_PKEY *hint; /* or NULL */
    bool several_fit;
    EVP_PKEY *key; /* NULL: not told, or several_fit */
};

static struct hsm_key sought_key(const struct hsm_admin *admin)
{
    struct hsm_key sought = { .token = admin->token,
                              .uri = admin->uri,
                              .uri_text = admin->uri_text };

    memcpy(sought.label, admin->name.label, sizeof(sought.label));
    return sought;
}

static nk_status find_public(struct hsm_admin *admin, CK_SESSION_HANDLE session, void *arg,
                             nk_error *err)
{
    AUTO(handles_free) handles_ptr found = NULL;
    CK_ULONG len = 0;
    nk_status status = admin_find_keys(admin, session, &found, &len, err);
    if (status != NK_OK) {
        return status;
    }
    if (len == 0) {
        return report(err, NK_E_IDENTITY,
                      "no private key on token \"%s\" fits %s; `nodekey enroll' generates it, "
                      "`nodekey tokens --login CONFIG' lists what is there",
                      admin->name.label, admin->uri_text);
    }
    struct sought_half *half = arg;
    struct hsm_key sought = sought_key(admin);
    half->several_fit = len > 1;
    if (half->several_fit) { /* the certificate tells which */
        return NK_OK;
    }
    CK_RV rv = key_public_half(&sought, session, found[0], half->hint, false, &half->key, err);
    return rv == CKR_OK
               ? NK_OK
               : report_ckr(err, NK_E_TOKEN, rv, "read the key on token \"%s\"", admin->name.label);
}

/* Candidates are listed as `open` lists them. */
static nk_status report_several(struct hsm_admin *admin, CK_SESSION_HANDLE session, void *unused,
                                nk_error *err)
{
    struct hsm_key sought = sought_key(admin);
    CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;

    (void)unused;
    CK_RV rv = key_locate(&sought, session, &object, err);
    return rv == CKR_OK ? report(err, NK_E_TOKEN, "token \"%s\": its keys changed meanwhile",
                                 admin->name.label)
                        : err->status;
}

nk_status hsm_admin_find(struct hsm_admin *admin, EVP_PKEY **ret_public, nk_error *err)
{
    struct sought_half half = { .hint = NULL };
    nk_status status = admin_work(admin, 0, find_public, &half, err);

    if (status == NK_OK) {
        *ret_public = half.key;
    }
    return status;
}

nk_status hsm_admin_public(struct hsm_admin *admin, EVP_PKEY *hint, EVP_PKEY **ret_public,
                           nk_error *err)
{
    struct sought_half half = { .hint = hint };
    nk_status status = admin_work(admin, 0, find_public, &half, err);
    if (status == NK_OK && half.several_fit && hint == NULL) {
        status = admin_work(admin, 0, report_several, NULL, err);
    }
    if (status != NK_OK) {
        return status;
    }
    if (half.several_fit && EVP_PKEY_up_ref(hint) == 1) {
        half.key = hint;
    }
    if (half.key == NULL) {
        return report(err, NK_E_IDENTITY,
                      "token \"%s\" does not tell the public half of %s: no public key or "
                      "certificate there, nor node.certificate, verifies what it signs",
                      admin->name.label, admin->uri_text);
    }
    *ret_public = half.key;
    return NK_OK;
}
