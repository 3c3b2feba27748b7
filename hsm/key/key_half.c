/* SPDX-License-Identifier: Apache-2.0 */
#include "key/key_half.h"

#include "key/key_find.h"
#include "key/object_public.h"

static CK_RV try_half(const struct hsm_key *key, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                      EVP_PKEY *half, bool *ret_ours, nk_error *err)
{
    struct hsm_key supposed = { .kind = key_kind_of(half),
                                .public_key = half,
                                .token = key->token,
                                .uri = key->uri,
                                .uri_text = key->uri_text };

    *ret_ours = false;
    if (supposed.kind == NULL) {
        return CKR_OK;
    }
    memcpy(supposed.label, key->label, sizeof(supposed.label));
    return key_signs_for(&supposed, session, object, ret_ours, err);
}

/* Candidates from `first` on. */
static CK_RV prove_halves(const struct hsm_key *key, CK_SESSION_HANDLE session,
                          CK_OBJECT_HANDLE object, const struct public_halves *halves, size_t first,
                          EVP_PKEY **ret_public, nk_error *err)
{
    for (size_t i = first; i < halves->len; i++) {
        bool ours = false;
        CK_RV rv = try_half(key, session, object, halves->keys[i], &ours, err);
        if (rv != CKR_OK) {
            return rv;
        }
        if (ours && EVP_PKEY_up_ref(halves->keys[i]) == 1) {
            *ret_public = halves->keys[i];
            return CKR_OK;
        }
    }
    return CKR_OK;
}

CK_RV key_public_half(const struct hsm_key *key, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                      EVP_PKEY *hint, bool lone_is_enough, EVP_PKEY **ret_public, nk_error *err)
{
    const struct cryptoki *call = token_module(key->token)->call;
    AUTO(public_halves_clear) struct public_halves halves = { .len = 0 };

    CK_RV rv = object_public_key(call, session, object, ret_public);
    if (rv != CKR_OK || *ret_public != NULL) {
        return rv;
    }
    rv = object_tied_halves(call, session, object, &halves);
    if (rv == CKR_OK && lone_is_enough && halves.len == 1) {
        *ret_public = halves.keys[0];
        halves.len = 0;
        return CKR_OK;
    }
    size_t tied = halves.len;
    if (rv == CKR_OK) {
        rv = prove_halves(key, session, object, &halves, 0, ret_public, err);
    }
    if (rv != CKR_OK || *ret_public != NULL) {
        return rv;
    }
    public_halves_add(&halves, hint);
    rv = object_all_halves(call, session, &halves);
    return rv == CKR_OK ? prove_halves(key, session, object, &halves, tied, ret_public, err) : rv;
}
