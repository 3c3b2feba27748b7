/* SPDX-License-Identifier: Apache-2.0 */
#include "key/key_preflight.h"

#include "base/report.h"
#include "base/words.h"
#include "key/key_find.h"
#include "key/key_prove.h"

static CK_RV report_no_mechanism(const struct hsm_key *key, const struct scheme_need *need,
                                 CK_RV rv, nk_error *err)
{
    bool pss = need->mechanism == CKM_RSA_PKCS_PSS;

    if (ckr_is_lie(rv)) {
        report_ckr(err, NK_E_TOKEN, rv, "ask token \"%s\" for mechanism %s", key->label,
                   need->mechanism_name);
        return rv;
    }

    report_ckr(err, NK_E_IDENTITY, CKR_MECHANISM_INVALID,
               "%s: token \"%s\" has no mechanism %s%s, which TLS %s needs (%s); use an EC "
               "key or another token",
               words()->key, key->label, need->mechanism_name, pss ? " and no CKM_RSA_X_509" : "",
               need->mechanism == CKM_RSA_PKCS ? "1.2" : "1.3", need->name);
    return CKR_MECHANISM_INVALID;
}

/* By the token's own mechanism if it has it, else by our padding if that can help. */
static CK_RV prove_scheme(struct hsm_key *key, const struct lease *lease, CK_OBJECT_HANDLE object,
                          const struct scheme_need *need, nk_error *err)
{
    bool pss = need->mechanism == CKM_RSA_PKCS_PSS;
    bool bare = pss && token_signs_by(key->token, CKM_RSA_X_509) == CKR_OK;
    nk_error first = { .struct_size = sizeof(first) };

    if (pss && key->bare_pss) {
        return key_prove(key, lease->session, object, need, err);
    }
    CK_RV rv = token_signs_by(key->token, need->mechanism);
    if (rv == CKR_OK) {
        rv = key_prove(key, lease->session, object, need, &first);
    } else if (ckr_is_lie(rv) || !bare) {
        return report_no_mechanism(key, need, rv, err);
    } else {
        rv = CKR_MECHANISM_INVALID;
    }
    /* Listed is not able: parameters that a remote or a firmware refuses come out here only. */
    if (bare && (rv == CKR_MECHANISM_INVALID || rv == CKR_MECHANISM_PARAM_INVALID)) {
        key->bare_pss = true;
        return key_prove(key, lease->session, object, need, err);
    }
    report_copy(err, &first);
    return rv;
}

/* Every scheme that TLS may ask of this key: what fails here would fail in a handshake. */
static CK_RV prove_schemes(struct hsm_key *key, const struct lease *lease, CK_OBJECT_HANDLE object,
                           nk_error *err)
{
    const struct scheme_need *needs = key->kind->needs;
    CK_RV rv = CKR_OK;

    for (size_t i = 0; i < KEY_KIND_NEEDS && needs[i].name != NULL && rv == CKR_OK; i++) {
        bool was_bare = key->bare_pss;
        rv = prove_scheme(key, lease, object, &needs[i], err);
        if (rv == CKR_OK && key->bare_pss && !was_bare) {
            i = (size_t)-1; /* those before were proven by another mechanism */
        }
    }
    return rv;
}

static CK_RV prove_key_once(struct hsm_key *key, struct lease *lease, nk_error *err)
{
    CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;

    CK_RV rv = token_take(key->token, lease, err);
    if (rv != CKR_OK) {
        return rv;
    }
    rv = key_find(key, lease->session, &object, err);
    if (rv == CKR_OK) {
        rv = prove_schemes(key, lease, object, err);
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
