/* SPDX-License-Identifier: Apache-2.0
 * The key that a configuration names, and its public half. */
#include "admin/admin.h"
#include "base/report.h"
#include "key/object_public.h"

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
        report_ckr(err, NK_E_TOKEN, rv, "open a session with token \"%s\"%s", admin->name.label,
                   rv == CKR_TOKEN_WRITE_PROTECTED ? ", which is read-only" : "");
    }
    module_leave(admin->module);
    return status;
}

/* --- the public half --- */

nk_status admin_find_keys(struct hsm_admin *admin, CK_SESSION_HANDLE session,
                          handles_ptr *ret_found, CK_ULONG *ret_len, nk_error *err)
{
    CK_RV rv = object_find_named(admin->module->call, session, admin->uri, CKO_PRIVATE_KEY,
                                 ret_found, ret_len);

    return rv == CKR_OK ? NK_OK
                        : report_ckr(err, NK_E_TOKEN, rv, "search token \"%s\" for %s",
                                     admin->name.label, admin->uri_text);
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
    if (len > 1) {
        return report(err, NK_E_CONFIG,
                      "%lu private keys on token \"%s\" fit %s; add id= or object= to node.key "
                      "(`nodekey tokens --login CONFIG' lists them)",
                      (unsigned long)len, admin->name.label, admin->uri_text);
    }
    CK_RV rv = object_public_half(admin->module->call, session, found[0], arg);
    return rv == CKR_OK
               ? NK_OK
               : report_ckr(err, NK_E_TOKEN, rv, "read the key on token \"%s\"", admin->name.label);
}

nk_status hsm_admin_find(struct hsm_admin *admin, EVP_PKEY **ret_public, nk_error *err)
{
    EVP_PKEY *key = NULL;
    nk_status status = admin_work(admin, 0, find_public, &key, err);

    if (status == NK_OK) {
        *ret_public = key;
    }
    return status;
}

nk_status hsm_admin_public(struct hsm_admin *admin, EVP_PKEY **ret_public, nk_error *err)
{
    EVP_PKEY *key = NULL;
    nk_status status = hsm_admin_find(admin, &key, err);
    if (status != NK_OK) {
        return status;
    }
    if (key == NULL) {
        return report(err, NK_E_IDENTITY,
                      "token \"%s\" does not tell the public half of %s: no public key object has "
                      "its id or label",
                      admin->name.label, admin->uri_text);
    }
    *ret_public = key;
    return NK_OK;
}
