/* SPDX-License-Identifier: Apache-2.0 */
#include "key/key_preflight.h"

#include "base/report.h"
#include "key/key_find.h"
#include "key/key_ways.h"

static CK_RV prove_key_once(struct hsm_key *key, struct lease *lease, nk_error *err)
{
    CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;

    CK_RV rv = token_take(key->token, lease, err);
    if (rv != CKR_OK) {
        return rv;
    }
    rv = key_find(key, lease->session, &object, err);
    if (rv == CKR_OK) {
        rv = key_settle_ways(key, lease->session, object, err);
    }
    if (rv == CKR_OK) {
        key->object = object;
        key->generation = lease->generation;
    }
    token_give(key->token, lease, rv == CKR_OK);
    return rv;
}

/* A token that asks for no login may want one to sign. */
static CK_RV prove_key_logged_in(struct hsm_key *key, struct lease *lease, nk_error *first)
{
    nk_error own = { .struct_size = sizeof(own) };
    bool logged_in = false;

    CK_RV rv = prove_key_once(key, lease, first);
    if (rv != CKR_USER_NOT_LOGGED_IN || token_take(key->token, lease, NULL) != CKR_OK) {
        return rv;
    }
    CK_RV login_rv = token_login_unasked(key->token, &logged_in, &own);
    token_give(key->token, lease, true);
    if (login_rv == CKR_OK && !logged_in) {
        return rv;
    }
    *first = own;
    return login_rv == CKR_OK ? prove_key_once(key, lease, first) : login_rv;
}

nk_status key_prove_all(struct hsm_key *key, nk_error *err)
{
    nk_error first = { .struct_size = sizeof(first) };
    unsigned epoch = token_epoch(key->token);
    enum rung rung = token_module(key->token)->guest ? RUNG_ATTACH : RUNG_REINIT;
    struct lease lease = { .generation = 0 };

    CK_RV rv = prove_key_logged_in(key, &lease, &first);
    /* A token that was away while another instance idled; an absent key needs no second look. */
    if (rv != CKR_OK && ckr_rung(rv) >= RUNG_ATTACH &&
        token_recover(key->token, rung, lease.generation, epoch, &first) == CKR_OK) {
        first = (nk_error){ .struct_size = sizeof(first) };
        rv = prove_key_once(key, &lease, &first);
    }
    if (rv == CKR_OK) {
        return NK_OK;
    }
    report_ckr(&first, NK_E_TOKEN, rv, "token \"%s\"", key->label); /* unless a sentence is there */
    return report_copy(err, &first);
}
