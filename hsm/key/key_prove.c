/* SPDX-License-Identifier: Apache-2.0 */
#include "key/key_prove.h"

#include <limits.h>

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/rand.h>

#include "base/clock.h"
#include "base/report.h"
#include "base/words.h"

static const char *const way_texts[] = {
    [SCHEME_DIGEST] = "", [SCHEME_BLOCK] = " by CKM_RSA_X_509", [SCHEME_MESSAGE] = " of a message"
};

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

static bool verify_input(const struct hsm_key *key, const struct scheme *scheme,
                         enum scheme_way way, const unsigned char *input, size_t len,
                         const unsigned char *signature, size_t signature_len)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;

    if (way != SCHEME_MESSAGE) {
        return scheme_verifies(key->public_key, scheme, input, len, signature, signature_len);
    }
    return EVP_Digest(input, len, digest, &digest_len, EVP_get_digestbynid(scheme->digest_nid),
                      NULL) == 1 &&
           scheme_verifies(key->public_key, scheme, digest, digest_len, signature, signature_len);
}

CK_RV key_prove(struct hsm_key *key, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                const struct scheme_need *need, enum scheme_way way, nk_error *err)
{
    unsigned char input[64];
    unsigned char raw[SIGNATURE_MAX_BYTES];
    unsigned char signature[SIGNATURE_MAX_BYTES];
    CK_ULONG raw_len = sizeof(raw);
    size_t signature_len = 0;
    struct to_sign what = { .len = 0 };
    int nid = need->scheme.digest_nid;
    size_t len = nid == NID_undef || way == SCHEME_MESSAGE
                     ? sizeof(input)
                     : (size_t)EVP_MD_get_size(EVP_get_digestbynid(nid));

    if (RAND_bytes(input, sizeof(input)) != 1 ||
        !scheme_prepare(key->kind, key->public_key, &need->scheme, way, input, len, &what)) {
        report_openssl(err, NK_E_INTERNAL, "prepare a test signature %s", need->name);
        return CKR_FUNCTION_FAILED;
    }
    long long began_us = clock_now_us();
    CK_RV rv = key_sign_in(key, session, object, &what, raw, &raw_len, err);
    note_time(key, began_us);
    if (rv != CKR_OK) {
        report_ckr(err, NK_E_TOKEN, rv, "token \"%s\" fails the test signature %s (%s%s)",
                   key->label, need->name, need->mechanism_name, way_texts[way]);
        return rv;
    }
    if (!scheme_finish(key->kind, raw, raw_len, signature, sizeof(signature), &signature_len) ||
        !verify_input(key, &need->scheme, way, input, len, signature, signature_len)) {
        ERR_clear_error();
        report(err, NK_E_IDENTITY,
               "%s does not match %s: its public key does not verify what %s on "
               "token \"%s\" signs; name the certificate that was issued for this key",
               words()->public_half, words()->key, key->uri_text, key->label);
        return CKR_NODEKEY_KEY_MISMATCH;
    }
    return CKR_OK;
}
