/* SPDX-License-Identifier: Apache-2.0 */
#include "key/key_prove.h"

#include <limits.h>

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/rand.h>

#include "base/clock.h"
#include "base/report.h"
#include "base/words.h"
#include "key/key_find.h"

/* A signature of another length is the token's fault, and would not get past the peer. */
static CK_RV check_length(const struct hsm_key *key, CK_ULONG len)
{
    char name[KEY_KIND_TEXT_BYTES];
    size_t wanted = scheme_raw_len(key->kind, key->public_key);

    if (len == wanted) {
        return CKR_OK;
    }
    key_kind_print(key->public_key, name);
    return cryptoki_lied(CRYPTOKI_C_Sign,
                         "the module gave %lu bytes where a%s %s signature has %zu", len,
                         name[0] == 'R' || name[0] == 'E' ? "n" : "", name, wanted);
}

CK_RV key_sign_in(const struct hsm_key *key, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                  struct to_sign *what, unsigned char *raw, CK_ULONG *raw_len, nk_error *err)
{
    const struct cryptoki *call = token_module(key->token)->call;

    CK_RV rv = cryptoki_sign_init(call, session, &what->mechanism, object);
    if (rv == CKR_OK && atomic_load(&key->always_authenticate)) {
        rv = token_authenticate(key->token, session, err);
    }
    if (rv != CKR_OK) {
        return rv;
    }
    rv = cryptoki_sign(call, session, what->input, what->len, raw, raw_len);
    return rv == CKR_OK ? check_length(key, *raw_len) : rv;
}

static void note_time(struct hsm_key *key, long long began_us)
{
    long long took_us = clock_now_us() - began_us;

    if (key->preflight_us == 0 || took_us < key->preflight_us) {
        key->preflight_us = took_us < UINT_MAX ? (unsigned)took_us : UINT_MAX;
    }
}

CK_RV key_prove(struct hsm_key *key, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                const struct scheme_need *need, nk_error *err)
{
    unsigned char input[64];
    unsigned char raw[SIGNATURE_MAX_BYTES];
    unsigned char signature[SIGNATURE_MAX_BYTES];
    CK_ULONG raw_len = sizeof(raw);
    size_t signature_len = 0;
    struct to_sign what = { .len = 0 };
    int nid = need->scheme.digest_nid;
    size_t len =
        nid == NID_undef ? sizeof(input) : (size_t)EVP_MD_get_size(EVP_get_digestbynid(nid));

    if (RAND_bytes(input, sizeof(input)) != 1 ||
        !key_prepare(key, &need->scheme, input, len, &what)) {
        report_openssl(err, NK_E_INTERNAL, "prepare a test signature %s", need->name);
        return CKR_FUNCTION_FAILED;
    }
    long long began_us = clock_now_us();
    CK_RV rv = key_sign_in(key, session, object, &what, raw, &raw_len, err);
    note_time(key, began_us);
    if (rv != CKR_OK) {
        report_ckr(err, NK_E_TOKEN, rv, "token \"%s\" fails the test signature %s (%s)", key->label,
                   need->name, need->mechanism_name);
        return rv;
    }
    if (!scheme_finish(key->kind, raw, raw_len, signature, sizeof(signature), &signature_len) ||
        !scheme_verifies(key->public_key, &need->scheme, input, len, signature, signature_len)) {
        ERR_clear_error();
        report(err, NK_E_IDENTITY,
               "%s does not match %s: its public key does not verify what %s on "
               "token \"%s\" signs; name the certificate that was issued for this key",
               words()->public_half, words()->key, key->uri_text, key->label);
        return CKR_NODEKEY_KEY_MISMATCH;
    }
    return CKR_OK;
}

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

nk_status key_prove_all(struct hsm_key *key, nk_error *err)
{
    nk_error first = { .struct_size = sizeof(first) };
    unsigned epoch = token_epoch(key->token);
    enum rung rung = token_module(key->token)->guest ? RUNG_ATTACH : RUNG_REINIT;
    struct lease lease = { .generation = 0 };

    CK_RV rv = prove_key_once(key, &lease, &first);
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
