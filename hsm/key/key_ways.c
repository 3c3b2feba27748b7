/* SPDX-License-Identifier: Apache-2.0 */
#include "key/key_ways.h"

#include <stdio.h>

#include <openssl/objects.h>
#include <openssl/rsa.h>

#include "base/report.h"
#include "base/words.h"
#include "key/key_prove.h"

#define NAMES_BYTES 256

static size_t count_needs(const struct hsm_key *key)
{
    size_t len = 0;

    while (len < KEY_KIND_NEEDS && key->kind->needs[len].name != NULL) {
        len++;
    }
    return len;
}

enum scheme_way key_way(const struct hsm_key *key, const struct scheme *scheme)
{
    enum scheme_way like = SCHEME_NO_WAY;

    for (size_t i = 0; i < count_needs(key); i++) {
        const struct scheme *need = &key->kind->needs[i].scheme;
        if (need->padding == scheme->padding && need->digest_nid == scheme->digest_nid) {
            return key->ways[i];
        }
        if (need->padding == scheme->padding && like == SCHEME_NO_WAY) {
            like = key->ways[i];
        }
    }
    return like;
}

bool key_prepare(const struct hsm_key *key, const struct scheme *scheme, const unsigned char *input,
                 size_t len, struct to_sign *ret_to_sign)
{
    return scheme_prepare(key->kind, key->public_key, scheme, key_way(key, scheme), input, len,
                          ret_to_sign);
}

bool key_wants_messages(const struct hsm_key *key)
{
    for (size_t i = 0; i < count_needs(key); i++) {
        if (key->ways[i] == SCHEME_MESSAGE) {
            return true;
        }
    }
    return false;
}

bool key_takes_digest(const struct hsm_key *key, int digest_nid)
{
    bool bound = false;

    for (size_t i = 0; i < count_needs(key); i++) {
        if (key->ways[i] != SCHEME_NO_WAY && key->kind->needs[i].scheme.digest_nid == digest_nid) {
            return true;
        }
        bound = bound || key->ways[i] == SCHEME_MESSAGE || key->ways[i] == SCHEME_NO_WAY;
    }
    return !bound;
}

/* --- proofs --- */

/* An answer to a mechanism or its parameters, also where it is the key that may not: other ways are
 * tried after it. Listed is not able: what a remote or a firmware refuses comes out here only. */
static bool is_refusal(CK_RV rv)
{
    return rv == CKR_MECHANISM_INVALID || rv == CKR_MECHANISM_PARAM_INVALID ||
           rv == CKR_KEY_FUNCTION_NOT_PERMITTED || rv == CKR_KEY_TYPE_INCONSISTENT;
}

static CK_RV try_way(struct hsm_key *key, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                     const struct scheme_need *need, enum scheme_way way, nk_error *err)
{
    CK_MECHANISM_TYPE mechanism = 0;

    if (!scheme_mechanism(key->kind, &need->scheme, way, &mechanism)) {
        return CKR_MECHANISM_INVALID;
    }
    CK_RV rv = token_signs_by(key->token, mechanism);
    if (ckr_is_lie(rv)) {
        report_ckr(err, NK_E_TOKEN, rv, "ask token \"%s\" for mechanism %s", key->label,
                   need->mechanism_name);
        return rv;
    }
    return rv == CKR_OK ? key_prove(key, session, object, need, way, err) : CKR_MECHANISM_INVALID;
}

/* *ret_way: the first way that works, or SCHEME_NO_WAY, with the first refusal's sentence in `err`
 * if it was the key's. CKR_OK in both cases. */
static CK_RV find_way(struct hsm_key *key, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                      const struct scheme_need *need, enum scheme_way *ret_way, nk_error *err)
{
    for (*ret_way = SCHEME_DIGEST; *ret_way != SCHEME_NO_WAY; (*ret_way)++) {
        nk_error own = { .struct_size = sizeof(own) };
        CK_RV rv = try_way(key, session, object, need, *ret_way, &own);
        if (rv == CKR_OK) {
            return CKR_OK;
        }
        if (!is_refusal(rv)) {
            report_copy(err, &own);
            return rv;
        }
        if (err->text[0] == '\0') {
            report_copy(err, &own);
        }
    }
    return CKR_OK;
}

CK_RV key_prove_at_all(struct hsm_key *key, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                       nk_error *err)
{
    for (size_t i = 0; i < count_needs(key); i++) {
        nk_error own = { .struct_size = sizeof(own) };
        enum scheme_way way = SCHEME_NO_WAY;
        CK_RV rv = find_way(key, session, object, &key->kind->needs[i], &way, &own);
        if (rv != CKR_OK || way != SCHEME_NO_WAY) {
            report_copy(err, &own);
            return rv;
        }
    }
    return CKR_MECHANISM_INVALID;
}

CK_RV key_prove_again(struct hsm_key *key, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                      nk_error *err)
{
    size_t i = 0;

    while (key->ways[i] == SCHEME_NO_WAY) { /* `open` has found one */
        i++;
    }
    return key_prove(key, session, object, &key->kind->needs[i], key->ways[i], err);
}

/* --- at open --- */

static CK_RV report_no_mechanism(const struct hsm_key *key, const nk_error *first, nk_error *err)
{
    const struct scheme_need *need = key->kind->needs;
    bool pss = need->mechanism == CKM_RSA_PKCS_PSS;

    if (first->text[0] != '\0') {
        report_copy(err, first);
        return CKR_MECHANISM_INVALID;
    }
    report_ckr(err, NK_E_IDENTITY, CKR_MECHANISM_INVALID,
               "%s: token \"%s\" has no mechanism %s%s%s, which TLS 1.3 needs (%s); use an EC "
               "key or another token",
               words()->key, key->label, need->mechanism_name, pss ? " and no CKM_RSA_X_509" : "",
               key->kind->form != KEY_EDDSA ? ", nor one that hashes" : "", need->name);
    return CKR_MECHANISM_INVALID;
}

static bool is_of_tls13(const struct scheme_need *need)
{
    return need->scheme.padding != RSA_PKCS1_PADDING;
}

/* A module that refuses some parameters of PSS may have lost all of them, and sign by what it finds
 * in their place, as tpm2-pkcs11 behind p11-kit's server does: what we pad once we pad always. */
static CK_RV settle_blocks(struct hsm_key *key, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                           nk_error *err)
{
    bool blocks = false;
    CK_RV rv = CKR_OK;

    for (size_t i = 0; i < count_needs(key); i++) {
        blocks = blocks || key->ways[i] == SCHEME_BLOCK;
    }
    for (size_t i = 0; blocks && i < count_needs(key) && rv == CKR_OK; i++) {
        const struct scheme_need *need = &key->kind->needs[i];
        if (key->ways[i] == SCHEME_DIGEST && need->scheme.padding == RSA_PKCS1_PSS_PADDING) {
            rv = key_prove(key, session, object, need, SCHEME_BLOCK, err);
            key->ways[i] = SCHEME_BLOCK;
        }
    }
    return rv;
}

CK_RV key_settle_ways(struct hsm_key *key, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                      nk_error *err)
{
    nk_error first = { .struct_size = sizeof(first) };
    bool able = false;

    for (size_t i = 0; i < count_needs(key); i++) {
        const struct scheme_need *need = &key->kind->needs[i];
        nk_error own = { .struct_size = sizeof(own) };
        CK_RV rv = find_way(key, session, object, need, &key->ways[i], &own);
        if (rv != CKR_OK) {
            report_copy(err, &own);
            return rv;
        }
        able = able || (is_of_tls13(need) && key->ways[i] != SCHEME_NO_WAY);
        first = i == 0 ? own : first;
    }
    return able ? settle_blocks(key, session, object, err) : report_no_mechanism(key, &first, err);
}

const char *hsm_key_digest(const struct hsm_key *key, bool *ret_pss)
{
    const struct scheme *chosen = NULL;

    for (size_t i = 0; i < count_needs(key); i++) {
        const struct scheme *scheme = &key->kind->needs[i].scheme;
        bool better = chosen == NULL || (chosen->padding == RSA_PKCS1_PSS_PADDING &&
                                         scheme->padding == RSA_PKCS1_PADDING);
        if (key->ways[i] != SCHEME_NO_WAY && better) {
            chosen = scheme;
        }
    }
    *ret_pss = chosen != NULL && chosen->padding == RSA_PKCS1_PSS_PADDING;
    return chosen == NULL || chosen->digest_nid == NID_undef ? NULL
                                                             : OBJ_nid2sn(chosen->digest_nid);
}

/* Of schemes that have a way, or that have none. Returns the length. */
static size_t list_schemes(const struct hsm_key *key, bool signs, char *names, size_t room)
{
    size_t used = 0;

    names[0] = '\0';
    for (size_t i = 0; i < count_needs(key); i++) {
        if ((key->ways[i] != SCHEME_NO_WAY) == signs && used < room) {
            used += (size_t)snprintf(names + used, room - used, "%s%s", used > 0 ? ", " : "",
                                     key->kind->needs[i].name);
        }
    }
    return used;
}

void hsm_key_schemes(const struct hsm_key *key, char text[HSM_SCHEMES_BYTES])
{
    (void)list_schemes(key, true, text, HSM_SCHEMES_BYTES);
}

void key_tell_ways(const struct hsm_key *key)
{
    char names[NAMES_BYTES];
    bool tls13 = true;

    for (size_t i = 0; i < count_needs(key); i++) {
        tls13 = tls13 && (key->ways[i] != SCHEME_NO_WAY || !is_of_tls13(&key->kind->needs[i]));
    }
    if (list_schemes(key, false, names, sizeof(names)) > 0) {
        log_line(&key->host, NK_LOG_WARNING, "%s: token %s does not sign %s with this key: %s",
                 words()->key, key->label, names,
                 tls13 ? "peers of TLS 1.2 that have no RSA-PSS, or ask for it last, fail"
                       : "peers that insist on one of these fail");
    }
}
