/* SPDX-License-Identifier: Apache-2.0
 * What open asks of a key before a handshake does: a signature for each TLS scheme. */
#include "base/report.h"
#include "key/key.h"

static CK_RV no_mechanism(const struct hsm_key *key, const struct scheme_need *need, nk_error *err)
{
    bool pss = need->mechanism == CKM_RSA_PKCS_PSS;

    report_ckr(err, NK_E_IDENTITY, CKR_MECHANISM_INVALID,
               "node.key: token \"%s\" has no mechanism %s%s, which TLS %s needs (%s); use an EC "
               "key or another token",
               key->label, need->mechanism_name, pss ? " and no CKM_RSA_X_509" : "",
               need->mechanism == CKM_RSA_PKCS ? "1.2" : "1.3", need->name);
    return CKR_MECHANISM_INVALID;
}

/* By the token's own mechanism if it has it, else by our padding if that can help. */
static CK_RV prove_scheme(struct hsm_key *key, const struct lease *lease, CK_OBJECT_HANDLE object,
                          const struct scheme_need *need, nk_error *err)
{
    bool pss = need->mechanism == CKM_RSA_PKCS_PSS;
    bool bare = pss && token_has_mechanism(key->token, CKM_RSA_X_509);
    nk_error first = { .struct_size = sizeof(first) };

    if (pss && key->bare_pss) {
        return key_prove(key, lease->session, object, need, err);
    }
    CK_RV rv = CKR_MECHANISM_INVALID;
    if (token_has_mechanism(key->token, need->mechanism)) {
        rv = key_prove(key, lease->session, object, need, &first);
    } else if (!bare) {
        return no_mechanism(key, need, err);
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
static CK_RV prove_all(struct hsm_key *key, const struct lease *lease, CK_OBJECT_HANDLE object,
                       nk_error *err)
{
    size_t len = 0;
    const struct scheme_need *needs = scheme_needs(key->public_key, &len);
    CK_RV rv = CKR_OK;

    for (size_t i = 0; i < len && rv == CKR_OK; i++) {
        bool was_bare = key->bare_pss;
        rv = prove_scheme(key, lease, object, &needs[i], err);
        if (rv == CKR_OK && key->bare_pss && !was_bare) {
            i = (size_t)-1; /* those before were proven by another mechanism */
        }
    }
    return rv;
}

static CK_RV prove_once(struct hsm_key *key, struct lease *lease, nk_error *err)
{
    CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;

    CK_RV rv = token_take(key->token, lease, err);
    if (rv != CKR_OK) {
        return rv;
    }
    rv = key_find(key, lease->session, &object, err);
    if (rv == CKR_OK) {
        rv = prove_all(key, lease, object, err);
    }
    if (rv == CKR_OK) {
        key->object = object;
        key->generation = lease->generation;
    }
    token_give(key->token, lease, rv == CKR_OK);
    return rv;
}

nk_status key_prove_all(struct hsm_key *key, nk_error *err)
{
    nk_error first = { .struct_size = sizeof(first) };
    unsigned epoch = token_epoch(key->token);
    enum rung rung = token_module(key->token)->guest ? RUNG_ATTACH : RUNG_REINIT;
    struct lease lease = { .generation = 0 };

    CK_RV rv = prove_once(key, &lease, &first);
    /* A token that was away while another instance idled; an absent key needs no second look. */
    if (rv != CKR_OK && ckr_rung(rv) >= RUNG_ATTACH &&
        token_recover(key->token, rung, lease.generation, epoch, &first) == CKR_OK) {
        first = (nk_error){ .struct_size = sizeof(first) };
        rv = prove_once(key, &lease, &first);
    }
    if (rv == CKR_OK) {
        return NK_OK;
    }
    report_ckr(&first, NK_E_TOKEN, rv, "token \"%s\"", key->label); /* unless a sentence is there */
    return report_copy(err, &first);
}
