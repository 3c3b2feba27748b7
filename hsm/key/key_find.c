/* SPDX-License-Identifier: Apache-2.0 */
#include "key/key_find.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/report.h"
#include "base/words.h"
#include "key/key_ways.h"
#include "key/object.h"
#include "key/object_public.h"

#define DESCRIBED_MAX 16
#define CANDIDATES_MAX 16    /* each may cost a signature */
#define PARAMS_MAX_BYTES 512 /* explicit ones are long */

DEFINE_AUTO(EVP_PKEY *, EVP_PKEY_free);

/* Whole URIs only: half of one is a trap for whoever pastes it. A lie about a name is passed over,
 * since an error is under way already. */
static void describe_keys(const struct hsm_key *key, CK_SESSION_HANDLE session,
                          const CK_OBJECT_HANDLE *objects, CK_ULONG len, char *text, size_t room)
{
    const size_t all_room = room - sizeof(", ...");
    size_t used = 0;
    CK_ULONG i = 0;

    text[0] = '\0';
    for (; i < len && i < DESCRIBED_MAX; i++) {
        AUTO(free)
        char *uri = object_uri(token_module(key->token)->call, session, objects[i], key->uri);
        if (uri != NULL && used + strlen(uri) + 2 > all_room) {
            break;
        }
        used += uri == NULL
                    ? 0
                    : (size_t)snprintf(text + used, room - used, "%s%s", used > 0 ? ", " : "", uri);
    }
    if (i < len) {
        snprintf(text + used, room - used, "%s...", used > 0 ? ", " : "");
    }
}

static CK_RV report_none(struct hsm_key *key, CK_SESSION_HANDLE session, nk_error *err)
{
    const struct cryptoki *call = token_module(key->token)->call;
    AUTO(handles_free) handles_ptr found = NULL;
    CK_ULONG len = 0;
    char list[512];

    if (object_find_class(call, session, CKO_PRIVATE_KEY, &found, &len) != CKR_OK) {
        len = 0;
    }
    describe_keys(key, session, found, len, list, sizeof(list));
    report(err, NK_E_IDENTITY, "%s: no private key on token \"%s\" fits %s; it holds %s",
           words()->key, key->label, key->uri_text,
           len > 0 ? list : "no private key: generate one on it");
    return CKR_OBJECT_HANDLE_INVALID;
}

static CK_RV report_several(struct hsm_key *key, CK_SESSION_HANDLE session,
                            const CK_OBJECT_HANDLE *found, CK_ULONG len, nk_error *err)
{
    char list[512];

    describe_keys(key, session, found, len, list, sizeof(list));
    report(err, NK_E_CONFIG,
           "%s: %lu private keys on token \"%s\" fit %s (%s); name one of them, or "
           "remove what is not used",
           words()->key, (unsigned long)len, key->label, key->uri_text, list);
    return CKR_ARGUMENTS_BAD;
}

static CK_RV report_lie(const struct hsm_key *key, CK_RV rv, nk_error *err)
{
    report_ckr(err, NK_E_TOKEN, rv, "read the key on token \"%s\"", key->label);
    return rv;
}

static CK_RV check_kind(struct hsm_key *key, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                        nk_error *err)
{
    CK_KEY_TYPE type = 0;
    CK_RV rv = object_number(token_module(key->token)->call, session, object, CKA_KEY_TYPE, &type);
    if (rv != CKR_OK) {
        report_ckr(err, NK_E_TOKEN, rv,
                   "C_GetAttributeValue for CKA_KEY_TYPE of the key on token \"%s\"", key->label);
        return rv;
    }
    /* Modules from before PKCS#11 3.0 know but one kind of curve. */
    bool fits =
        type == key->kind->key_type || (type == CKK_EC && key->kind->key_type == CKK_EC_EDWARDS);
    if (!fits) {
        report(err, NK_E_IDENTITY,
               "%s does not match %s: it is for another type of key than %s on "
               "token \"%s\"; name the certificate that was issued for this key",
               words()->public_half, words()->key, key->uri_text, key->label);
        return CKR_NODEKEY_KEY_MISMATCH;
    }
    return CKR_OK;
}

/* Some tokens answer a digest of another curve's length by an error of their own, which would
 * hide the mismatch. Parameters that are not told, or not in words that we know, are left to the
 * test signature. */
static CK_RV check_curve(struct hsm_key *key, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                         nk_error *err)
{
    unsigned char params[PARAMS_MAX_BYTES];
    CK_ULONG len = 0;

    if (key->kind->form == KEY_RSA) {
        return CKR_OK;
    }
    CK_RV rv = cryptoki_get_attribute(token_module(key->token)->call, session, object,
                                      CKA_EC_PARAMS, params, sizeof(params), &len);
    if (rv != CKR_OK) {
        return ckr_is_lie(rv) ? report_lie(key, rv, err) : CKR_OK;
    }
    const struct key_kind *its = key_kind_of_params(params, len);
    if (its != NULL && its != key->kind) {
        report(err, NK_E_IDENTITY,
               "%s does not match %s: it is for a %s key, %s on token \"%s\" is "
               "%s; name the certificate that was issued for this key",
               words()->public_half, words()->key, key->kind->name, key->uri_text, key->label,
               its->name);
        return CKR_NODEKEY_KEY_MISMATCH;
    }
    return CKR_OK;
}

/* Attributes that decide whether a key is taken. */
struct custody_flags {
    bool extractable;
    bool sensitive;
    bool born_here;
    bool birth_told;
    bool signs;
    bool always_authenticate;
};

/* An attribute that the token does not tell counts as the worse value. */
static CK_RV read_custody(const struct hsm_key *key, CK_SESSION_HANDLE session,
                          CK_OBJECT_HANDLE object, struct custody_flags *flags)
{
    const struct cryptoki *call = token_module(key->token)->call;
    const struct {
        CK_ATTRIBUTE_TYPE type;
        bool if_unknown;
        bool *flag;
    } rows[] = { { CKA_EXTRACTABLE, true, &flags->extractable },
                 { CKA_SENSITIVE, false, &flags->sensitive },
                 { CKA_SIGN, true, &flags->signs },
                 { CKA_ALWAYS_AUTHENTICATE, false, &flags->always_authenticate } };
    CK_RV rv = object_is_born_here(call, session, object, &flags->born_here, &flags->birth_told);

    for (size_t i = 0; i < ARRAY_LEN(rows) && rv == CKR_OK; i++) {
        rv = object_flag(call, session, object, rows[i].type, rows[i].if_unknown, rows[i].flag);
    }
    return rv;
}

static CK_RV check_custody(struct hsm_key *key, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                           nk_error *err)
{
    struct custody_flags flags = { .extractable = true };
    CK_RV rv = read_custody(key, session, object, &flags);

    if (rv != CKR_OK) {
        return report_lie(key, rv, err);
    }
    if (!key->custody.allow_extractable && (flags.extractable || !flags.sensitive)) {
        report(err, NK_E_IDENTITY,
               "%s: %s on token \"%s\" is extractable or not sensitive, so it can be copied "
               "out; generate a key that cannot (or accept it by %s)",
               words()->key, key->uri_text, key->label, words()->allow_extractable);
        return CKR_KEY_FUNCTION_NOT_PERMITTED;
    }
    if (!key->custody.allow_imported && !flags.born_here) {
        report(err, NK_E_IDENTITY,
               flags.birth_told
                   ? "%s: %s on token \"%s\" was imported or has been extractable, so copies may "
                     "exist; generate the key on the token (or accept it by %s)"
                   : "%s: whether %s on token \"%s\" was generated there and never extractable, "
                     "the module does not tell; look into the maker's own tool (and accept it by "
                     "%s)",
               words()->key, key->uri_text, key->label, words()->allow_imported);
        return CKR_KEY_FUNCTION_NOT_PERMITTED;
    }
    if (!flags.signs) {
        report(err, NK_E_IDENTITY,
               "%s: %s on token \"%s\" is not for signing (CKA_SIGN is false); generate one "
               "that is",
               words()->key, key->uri_text, key->label);
        return CKR_KEY_FUNCTION_NOT_PERMITTED;
    }
    atomic_store(&key->always_authenticate, flags.always_authenticate);
    return CKR_OK;
}

static CK_RV search_candidates(struct hsm_key *key, CK_SESSION_HANDLE session,
                               handles_ptr *ret_found, CK_ULONG *ret_len, nk_error *err)
{
    CK_RV rv = object_find_named(token_module(key->token)->call, session, key->uri, CKO_PRIVATE_KEY,
                                 ret_found, ret_len);
    if (rv != CKR_OK) {
        report_ckr(err, NK_E_TOKEN, rv, "search token \"%s\" for the key", key->label);
        return rv;
    }
    return CKR_OK;
}

/* A token that asks for no login may hide private keys all the same. */
static CK_RV find_candidates(struct hsm_key *key, CK_SESSION_HANDLE session, handles_ptr *ret_found,
                             CK_ULONG *ret_len, nk_error *err)
{
    bool logged_in = false;

    CK_RV rv = search_candidates(key, session, ret_found, ret_len, err);
    if (rv != CKR_OK || *ret_len > 0) {
        return rv;
    }
    rv = token_login_unasked(key->token, &logged_in, err);
    if (rv == CKR_OK && logged_in) {
        handles_free(*ret_found);
        *ret_found = NULL;
        rv = search_candidates(key, session, ret_found, ret_len, err);
    }
    return rv != CKR_OK || *ret_len > 0 ? rv : report_none(key, session, err);
}

CK_RV key_locate(struct hsm_key *key, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *ret_object,
                 nk_error *err)
{
    AUTO(handles_free) handles_ptr found = NULL;
    CK_ULONG len = 0;

    CK_RV rv = find_candidates(key, session, &found, &len, err);
    if (rv != CKR_OK) {
        return rv;
    }
    if (len > 1) {
        return report_several(key, session, found, len, err);
    }
    *ret_object = found[0];
    return CKR_OK;
}

/* --- the one of several that the certificate is for --- */

/* A candidate of another curve, of a kind that is not told, or that may not sign, at all or by what
 * TLS asks for, is passed over;
 * errors that say nothing of the candidate, among them a refused PIN, end the search. */
static bool says_another_key(CK_RV rv)
{
    return rv == CKR_NODEKEY_KEY_MISMATCH || rv == CKR_KEY_FUNCTION_NOT_PERMITTED ||
           rv == CKR_KEY_TYPE_INCONSISTENT || rv == CKR_KEY_SIZE_RANGE ||
           rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_MECHANISM_INVALID;
}

/* RSA keys tell their public half themselves, so a signature is asked of the others only. */
static CK_RV compare_key(struct hsm_key *key, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                         nk_error *err)
{
    const struct cryptoki *call = token_module(key->token)->call;
    AUTO(EVP_PKEY_free) EVP_PKEY *told = NULL;
    bool always_authenticate = false;

    CK_RV rv = object_public_key(call, session, object, &told);
    if (rv == CKR_OK && told != NULL) {
        return EVP_PKEY_eq(told, key->public_key) == 1 ? CKR_OK : CKR_NODEKEY_KEY_MISMATCH;
    }
    if (rv == CKR_OK) {
        rv = object_flag(call, session, object, CKA_ALWAYS_AUTHENTICATE, false,
                         &always_authenticate);
    }
    if (rv != CKR_OK) {
        return report_lie(key, rv, err);
    }
    atomic_store(&key->always_authenticate, always_authenticate);
    return key_prove_at_all(key, session, object, err);
}

CK_RV key_signs_for(struct hsm_key *key, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                    bool *ret_ours, nk_error *err)
{
    nk_error own = { .struct_size = sizeof(own) };

    CK_RV rv = check_kind(key, session, object, &own);
    if (rv == CKR_OK) {
        rv = check_curve(key, session, object, &own);
    }
    if (rv == CKR_OK) {
        rv = compare_key(key, session, object, &own);
    }
    *ret_ours = rv == CKR_OK;
    if (rv == CKR_OK || says_another_key(rv)) {
        return CKR_OK;
    }
    report_copy(err, &own);
    return rv;
}

static CK_RV report_none_ours(struct hsm_key *key, CK_SESSION_HANDLE session,
                              const CK_OBJECT_HANDLE *found, CK_ULONG len, nk_error *err)
{
    char list[512];

    describe_keys(key, session, found, len, list, sizeof(list));
    report(err, NK_E_IDENTITY,
           "%s does not match %s: none of the %lu private keys on token \"%s\" that fit %s (%s) "
           "signs for it; name the certificate that was issued for one of them",
           words()->public_half, words()->key, (unsigned long)len, key->label, key->uri_text, list);
    return CKR_NODEKEY_KEY_MISMATCH;
}

/* Candidates that sign for the certificate are moved to the front of `found`: *ret_ours of them. */
static CK_RV sift_candidates(struct hsm_key *key, CK_SESSION_HANDLE session,
                             CK_OBJECT_HANDLE *found, CK_ULONG len, CK_ULONG *ret_ours,
                             nk_error *err)
{
    CK_ULONG ours = 0;

    for (CK_ULONG i = 0; i < len; i++) {
        CK_OBJECT_HANDLE candidate = found[i];
        bool is_ours = false;
        CK_RV rv = key_signs_for(key, session, candidate, &is_ours, err);
        if (rv != CKR_OK) {
            return rv;
        }
        if (is_ours) {
            found[i] = found[ours];
            found[ours++] = candidate;
        }
    }
    *ret_ours = ours;
    return CKR_OK;
}

static CK_RV choose_candidate(struct hsm_key *key, CK_SESSION_HANDLE session,
                              CK_OBJECT_HANDLE *found, CK_ULONG len, nk_error *err)
{
    CK_ULONG ours = 0;

    if (len > CANDIDATES_MAX) {
        return report_several(key, session, found, len, err);
    }
    CK_RV rv = sift_candidates(key, session, found, len, &ours, err);
    if (rv != CKR_OK || ours == 1) {
        return rv;
    }
    return ours == 0 ? report_none_ours(key, session, found, len, err)
                     : report_several(key, session, found, ours, err);
}

CK_RV key_find(struct hsm_key *key, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *ret_object,
               nk_error *err)
{
    AUTO(handles_free) handles_ptr found = NULL;
    CK_ULONG len = 0;

    CK_RV rv = find_candidates(key, session, &found, &len, err);
    if (rv == CKR_OK && len > 1) {
        rv = choose_candidate(key, session, found, len, err);
    }
    if (rv == CKR_OK) {
        rv = check_kind(key, session, found[0], err);
    }
    if (rv == CKR_OK) {
        rv = check_curve(key, session, found[0], err);
    }
    if (rv == CKR_OK) {
        rv = check_custody(key, session, found[0], err);
    }
    if (rv == CKR_OK) {
        *ret_object = found[0];
    }
    return rv;
}
