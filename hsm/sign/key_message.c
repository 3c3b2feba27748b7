/* SPDX-License-Identifier: Apache-2.0 */
#include "sign/key_message.h"

#include <openssl/objects.h>

#include "base/report.h"
#include "key/key_ways.h"
#include "sign/key_sign.h"

_Static_assert(NK_SIGNATURE_BYTES >= SIGNATURE_MAX_BYTES, "room for every signature");

static const struct scheme_need *find_in_kind(const struct key_kind *kind, uint16_t algorithm,
                                              size_t *ret_at)
{
    for (size_t i = 0; i < KEY_KIND_NEEDS && kind->needs[i].name != NULL; i++) {
        if (kind->needs[i].number == algorithm) {
            *ret_at = i;
            return &kind->needs[i];
        }
    }
    return NULL;
}

static const struct scheme_need *find_own(const struct hsm_key *key, uint16_t algorithm)
{
    size_t at = 0;
    const struct scheme_need *need = find_in_kind(key->kind, algorithm, &at);

    return need != NULL && key->ways[at] != SCHEME_NO_WAY ? need : NULL;
}

/* RFC 8446 section 4.2.3: the curve belongs to the scheme in TLS 1.3 alone. */
static const struct scheme_need *find_of_curves(const struct hsm_key *key, uint16_t algorithm)
{
    const struct scheme_need *need = NULL;
    size_t at = 0;

    for (size_t i = 0; need == NULL && key_kind_at(i) != NULL; i++) {
        if (key_kind_at(i)->form == KEY_ECDSA) {
            need = find_in_kind(key_kind_at(i), algorithm, &at);
        }
    }
    bool takes = key->kind->form == KEY_ECDSA && need != NULL &&
                 key_takes_digest(key, need->scheme.digest_nid);
    return takes ? need : NULL;
}

static const struct scheme_need *find_need(const struct hsm_key *key,
                                           const struct hsm_message *message)
{
    const struct scheme_need *need = find_own(key, message->algorithm);

    return need == NULL && message->any_curve ? find_of_curves(key, message->algorithm) : need;
}

bool hsm_key_signs(const struct hsm_key *key, uint16_t algorithm)
{
    return find_own(key, algorithm) != NULL;
}

nk_status key_message_read(const struct hsm_key *key, const struct hsm_message *message,
                           struct to_hash *ret_hashed, nk_error *err)
{
    const struct scheme_need *need = find_need(key, message);
    unsigned digest_len = 0;

    if (need == NULL) {
        return report(err, NK_E_UNSUPPORTED,
                      "this %s key does not sign by TLS SignatureScheme 0x%04x", key->kind->name,
                      message->algorithm);
    }
    ret_hashed->scheme = need->scheme;
    ret_hashed->input = message->data;
    ret_hashed->len = message->len;
    if (need->scheme.digest_nid == NID_undef || key_way(key, &need->scheme) == SCHEME_MESSAGE) {
        return NK_OK;
    }
    const EVP_MD *digest = EVP_get_digestbynid(need->scheme.digest_nid);
    if (digest == NULL || EVP_Digest(message->data, message->len, ret_hashed->digest, &digest_len,
                                     digest, NULL) != 1) {
        return report_openssl(err, NK_E_INTERNAL, "hash what is to be signed");
    }
    ret_hashed->input = ret_hashed->digest;
    ret_hashed->len = digest_len;
    return NK_OK;
}

nk_status key_message_report(const struct hsm_key *key, CK_RV rv, nk_error *err)
{
    if (rv == CKR_OK) {
        return NK_OK;
    }
    if (rv == CKR_NODEKEY_SHUT) {
        return report(err, NK_E_CLOSED, "the instance of this key is closed");
    }
    report_ckr(err, rv == CKR_NODEKEY_FORKED ? NK_E_USAGE : NK_E_TOKEN, rv,
               "token \"%s\" did not sign", key->label); /* unless a sentence is there */
    return rv == CKR_NODEKEY_FORKED ? NK_E_USAGE : NK_E_TOKEN;
}

nk_status hsm_key_sign(struct hsm_key *key, const struct hsm_message *message,
                       uint8_t signature[NK_SIGNATURE_BYTES], size_t *ret_len, nk_error *err)
{
    struct to_hash hashed = { .len = 0 };
    struct hsm_key *ours = message->inbound ? key->inbound_key : key;

    nk_status status = key_message_read(ours, message, &hashed, err);
    return status == NK_OK
               ? key_message_report(ours,
                                    key_sign(ours, &hashed.scheme, hashed.input, hashed.len,
                                             signature, NK_SIGNATURE_BYTES, ret_len),
                                    err)
               : status;
}
