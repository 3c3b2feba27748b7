/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/leaf_traits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "base/report.h"
#include "base/text.h"
#include "peer/leaf_extension.h"
#include "trust/key_types.h"

#define DAY_SECONDS 86400
#define OID_TEXT_BYTES (4 * TRAITS_OID_MAX_BYTES + 8) /* one arc per byte is the longest text */

static void free_usages(EXTENDED_KEY_USAGE *usages)
{
    EXTENDED_KEY_USAGE_free(usages);
}
DEFINE_AUTO(EXTENDED_KEY_USAGE *, free_usages);

static nk_status read_serial(X509 *leaf, struct traits_storage *storage, nk_error *err)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(leaf);
    const unsigned char *bytes = ASN1_STRING_get0_data(serial);
    int len = ASN1_STRING_length(serial);
    char *text = storage->serial;

    while (len > 0 && bytes[0] == 0) {
        bytes++;
        len--;
    }
    if (len > TRAITS_SERIAL_MAX_BYTES) {
        return report(err, NK_E_PEER, "the peer's serial number has %d bytes, at most %d are read",
                      len, TRAITS_SERIAL_MAX_BYTES);
    }
    if (len <= 0) {
        snprintf(text, sizeof(storage->serial), "0");
        return NK_OK;
    }
    if (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER) {
        *text++ = '-';
    }
    text_hex(text, bytes, (size_t)len);
    if (text[0] == '0') { /* rules and audit lines have no leading zeros */
        memmove(text, text + 1, strlen(text));
    }
    return NK_OK;
}

static nk_status read_lifetime(X509 *leaf, struct traits *traits, nk_error *err)
{
    int days = 0;
    int seconds = 0;

    if (X509_get0_notBefore(leaf) == NULL || X509_get0_notAfter(leaf) == NULL ||
        ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(leaf), X509_get0_notAfter(leaf)) != 1) {
        return report_openssl(err, NK_E_PEER, "read the validity of the peer's certificate");
    }
    traits->lifetime_seconds = (int64_t)days * DAY_SECONDS + seconds;
    return NK_OK;
}

/* Parameters in place of a name are what CVE-2020-0601 was made of; RFC 5480 section 2.1.1 forbids
 * them. */
static bool names_its_curve(const EVP_PKEY *key)
{
    int explicitly = 0;
    return EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
                                  &explicitly) != 1 ||
           explicitly == 0;
}

static nk_status read_key_type(X509 *leaf, struct traits_storage *storage, nk_error *err)
{
    const EVP_PKEY *key = X509_get0_pubkey(leaf);

    if (key == NULL) {
        return report_openssl(err, NK_E_PEER, "read the key in the peer's certificate");
    }
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && !names_its_curve(key)) {
        return report(err, NK_E_PEER, "the peer's key does not name its curve");
    }
    key_type_text(key, storage->key_type, KEY_TYPE_BYTES);
    return NK_OK;
}

static nk_status copy_oid(const ASN1_OBJECT *oid, char **ret_text, nk_error *err)
{
    char text[OID_TEXT_BYTES];

    if (OBJ_length(oid) == 0 || OBJ_length(oid) > TRAITS_OID_MAX_BYTES) {
        return report(err, NK_E_PEER,
                      "an extended key usage of the peer has %zu bytes, at most %d are read",
                      OBJ_length(oid), TRAITS_OID_MAX_BYTES);
    }
    int len = OBJ_obj2txt(text, sizeof(text), oid, 1);
    if (len <= 0 || (size_t)len >= sizeof(text)) {
        return report_openssl(err, NK_E_PEER, "read an extended key usage of the peer");
    }
    *ret_text = strdup(text);
    return *ret_text != NULL ? NK_OK : report(err, NK_E_NOMEM, "out of memory");
}

static nk_status read_usages(X509 *leaf, struct traits_storage *storage, struct traits *traits,
                             nk_error *err)
{
    void *extension = NULL;
    nk_status status = leaf_extension_read(leaf, NID_ext_key_usage,
                                           ASN1_ITEM_rptr(EXTENDED_KEY_USAGE), &extension, err);
    AUTO(free_usages) EXTENDED_KEY_USAGE *usages = extension;
    if (status != NK_OK || usages == NULL) {
        return status;
    }
    if (sk_ASN1_OBJECT_num(usages) > TRAITS_USAGES_MAX) {
        return report(err, NK_E_PEER, "the peer has %d extended key usages, at most %d are read",
                      sk_ASN1_OBJECT_num(usages), TRAITS_USAGES_MAX);
    }
    for (int i = 0; i < sk_ASN1_OBJECT_num(usages); i++) {
        status = copy_oid(sk_ASN1_OBJECT_value(usages, i), &storage->usages[i], err);
        if (status != NK_OK) {
            return status;
        }
        traits->usages_len++;
    }
    return NK_OK;
}

nk_status leaf_traits_read(X509 *leaf, struct traits_storage *storage, struct traits *traits,
                           nk_error *err)
{
    traits->serial = storage->serial;
    traits->key_type = storage->key_type;
    traits->usages = storage->usages;

    nk_status status = read_serial(leaf, storage, err);
    if (status == NK_OK) {
        status = read_lifetime(leaf, traits, err);
    }
    if (status == NK_OK) {
        status = read_key_type(leaf, storage, err);
    }
    return status == NK_OK ? read_usages(leaf, storage, traits, err) : status;
}

bool leaf_traits_hash_spki(const X509 *certificate, uint8_t ret_digest[NK_SHA256_BYTES])
{
    return ASN1_item_digest(ASN1_ITEM_rptr(X509_PUBKEY), EVP_sha256(),
                            (void *)X509_get_X509_PUBKEY(certificate), ret_digest, NULL) == 1;
}

void leaf_traits_clear(struct traits_storage *storage)
{
    for (size_t i = 0; i < TRAITS_USAGES_MAX; i++) {
        free(storage->usages[i]);
        storage->usages[i] = NULL;
    }
}
