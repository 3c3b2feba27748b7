/* SPDX-License-Identifier: Apache-2.0
 * The key that a configuration names, and its public half. */
#include <stdlib.h>

#include "admin/admin.h"
#include "base/report.h"

typedef CK_OBJECT_HANDLE *handles_ptr;
DEFINE_AUTO(handles_ptr, free);

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
    rv = admin_slot_of(admin->module, &admin->name, &slot);
    if (rv == CKR_OK) {
        rv = admin_session(admin->module, slot, flags, &session);
    }
    if (rv == CKR_OK) {
        status = do_it(admin, session, arg, err);
        admin_session_close(admin->module, session);
    } else {
        report_ckr(err, NK_E_TOKEN, rv, "open a session with token \"%s\"%s", admin->name.label,
                   rv == CKR_TOKEN_WRITE_PROTECTED ? ", which is read-only" : "");
    }
    module_leave(admin->module);
    return status;
}

/* --- the public half --- */

/* The public key object that has the id of the private one, or else its label. */
static EVP_PKEY *beside(CK_FUNCTION_LIST *call, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    static const CK_ATTRIBUTE_TYPE ties[] = { CKA_ID, CKA_LABEL };
    CK_OBJECT_CLASS object_class = CKO_PUBLIC_KEY;
    unsigned char tie[OBJECT_FIELD_BYTES];

    for (size_t i = 0; i < ARRAY_LEN(ties); i++) {
        CK_ULONG tie_len = 0;
        CK_ULONG len = 0;
        AUTO(free) handles_ptr found = NULL;
        if (!object_attribute(call, session, key, ties[i], tie, sizeof(tie), &tie_len) ||
            tie_len == 0) {
            continue;
        }
        CK_ATTRIBUTE wanted[] = { { CKA_CLASS, &object_class, sizeof(object_class) },
                                  { ties[i], tie, tie_len } };
        if (object_find(call, session, wanted, ARRAY_LEN(wanted), &found, &len) == CKR_OK &&
            len == 1) {
            return object_public_key(call, session, found[0]);
        }
    }
    return NULL;
}

nk_status admin_find_keys(struct hsm_admin *admin, CK_SESSION_HANDLE session,
                          CK_OBJECT_HANDLE **ret_found, CK_ULONG *ret_len, nk_error *err)
{
    CK_OBJECT_CLASS key_class;
    CK_ATTRIBUTE template[URI_TEMPLATE_MAX];
    CK_ULONG len = uri_template(admin->uri, &key_class, template);
    CK_RV rv = object_find(admin->module->call, session, template, len, ret_found, ret_len);

    return rv == CKR_OK ? NK_OK
                        : report_ckr(err, NK_E_TOKEN, rv, "search token \"%s\" for %s",
                                     admin->name.label, admin->uri_text);
}

static nk_status find_public(struct hsm_admin *admin, CK_SESSION_HANDLE session, void *arg,
                             nk_error *err)
{
    CK_FUNCTION_LIST *call = admin->module->call;
    AUTO(free) handles_ptr found = NULL;
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
    EVP_PKEY *key = beside(call, session, found[0]);
    key = key != NULL ? key : object_public_key(call, session, found[0]);
    *(EVP_PKEY **)arg = key;
    return NK_OK;
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
