/* SPDX-License-Identifier: Apache-2.0 */
#include "key/key_find.h"

#include <stdio.h>

#include "base/report.h"
#include "base/words.h"
#include "key/object.h"

#define DESCRIBED_MAX 16
#define PARAMS_MAX_BYTES 512 /* explicit ones are long */

/* "object=identity;id=%01" of each, as a URI would say it. */
static void describe_keys(const struct cryptoki *call, CK_SESSION_HANDLE session,
                          const CK_OBJECT_HANDLE *objects, CK_ULONG len, char *text, size_t room)
{
    struct object_name name;
    size_t used = 0;

    text[0] = '\0';
    for (CK_ULONG i = 0; i < len && i < DESCRIBED_MAX && used + 1 < room; i++) {
        if (object_name(call, session, objects[i], &name) != CKR_OK) {
            continue; /* a lie about its name; an error is under way already */
        }
        used +=
            (size_t)snprintf(text + used, room - used, "%sobject=%.*s;id=", used > 0 ? ", " : "",
                             (int)name.label_len, (const char *)name.label);
        for (CK_ULONG j = 0; j < name.id_len && used + 1 < room; j++) {
            used += (size_t)snprintf(text + used, room - used, "%%%02x", name.id[j]);
        }
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
    describe_keys(call, session, found, len, list, sizeof(list));
    report(err, NK_E_IDENTITY, "%s: no private key on token \"%s\" fits %s; it holds %s",
           words()->key, key->label, key->uri_text,
           len > 0 ? list : "no private key: generate one on it");
    return CKR_OBJECT_HANDLE_INVALID;
}

static CK_RV report_several(struct hsm_key *key, CK_SESSION_HANDLE session,
                            const CK_OBJECT_HANDLE *found, CK_ULONG len, nk_error *err)
{
    char list[512];

    describe_keys(token_module(key->token)->call, session, found, len, list, sizeof(list));
    report(err, NK_E_CONFIG,
           "%s: %lu private keys on token \"%s\" fit %s (%s); add id= or object= to name one",
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

CK_RV key_locate(struct hsm_key *key, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *ret_object,
                 nk_error *err)
{
    AUTO(handles_free) handles_ptr found = NULL;
    CK_ULONG len = 0;

    CK_RV rv = object_find_named(token_module(key->token)->call, session, key->uri, CKO_PRIVATE_KEY,
                                 &found, &len);
    if (rv != CKR_OK) {
        report_ckr(err, NK_E_TOKEN, rv, "search token \"%s\" for the key", key->label);
        return rv;
    }
    if (len == 0) {
        return report_none(key, session, err);
    }
    if (len > 1) {
        return report_several(key, session, found, len, err);
    }
    *ret_object = found[0];
    return CKR_OK;
}

CK_RV key_find(struct hsm_key *key, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *ret_object,
               nk_error *err)
{
    CK_OBJECT_HANDLE found = CK_INVALID_HANDLE;

    CK_RV rv = key_locate(key, session, &found, err);
    if (rv == CKR_OK) {
        rv = check_kind(key, session, found, err);
    }
    if (rv == CKR_OK) {
        rv = check_curve(key, session, found, err);
    }
    if (rv == CKR_OK) {
        rv = check_custody(key, session, found, err);
    }
    if (rv == CKR_OK) {
        *ret_object = found;
    }
    return rv;
}
