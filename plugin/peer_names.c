/* SPDX-License-Identifier: Apache-2.0 */
#include "peer_names.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "report.h"

#define URI_MAX_BYTES 2048 /* SPIFFE-ID section 2.3 */
#define DNS_MAX_BYTES 253
#define DNS_LABEL_MAX_BYTES 63
#define EMAIL_MAX_BYTES 320
#define MAPPED_PREFIX_BYTES 12

DEFINE_AUTO(GENERAL_NAMES *, GENERAL_NAMES_free);

static void openssl_free(void *data)
{
    OPENSSL_free(data);
}
DEFINE_AUTO(unsigned char *, openssl_free);

/* --- one name --- */

static nk_status check_text(const ASN1_STRING *name, const char *what, int max_bytes, nk_error *err)
{
    const unsigned char *bytes = ASN1_STRING_get0_data(name);
    int len = ASN1_STRING_length(name);

    if (len <= 0) {
        return report(err, NK_E_PEER, "a %s name of the peer is empty", what);
    }
    for (int i = 0; i < len; i++) {
        if (bytes[i] <= ' ' || bytes[i] >= 0x7f) {
            return report(err, NK_E_PEER, "byte %d of a %s name of the peer is 0x%02x", i + 1, what,
                          bytes[i]);
        }
    }
    if (len > max_bytes) {
        return report(err, NK_E_PEER, "a %s name of the peer has %d bytes, at most %d are read",
                      what, len, max_bytes);
    }
    return NK_OK;
}

static nk_status take_text(const ASN1_STRING *name, const char *what, int max_bytes,
                           char **ret_text, nk_error *err)
{
    nk_status status = check_text(name, what, max_bytes, err);
    if (status != NK_OK) {
        return status;
    }
    *ret_text =
        strndup((const char *)ASN1_STRING_get0_data(name), (size_t)ASN1_STRING_length(name));
    return *ret_text != NULL ? NK_OK : report(err, NK_E_NOMEM, "out of memory");
}

static bool is_label(const char *label, size_t len)
{
    return len > 0 && len <= DNS_LABEL_MAX_BYTES && label[0] != '-' && label[len - 1] != '-';
}

/* RFC 1034 section 3.5, with the underscore and the star that certificates have. A dot at the end
 * is left to who compares. */
static bool has_labels(const char *name)
{
    for (;;) {
        size_t len = strcspn(name, ".");
        if (!is_label(name, len)) {
            return false;
        }
        if (name[len] == '\0' || name[len + 1] == '\0') {
            return true;
        }
        name += len + 1;
    }
}

static nk_status take_dns(const ASN1_STRING *name, char **ret_text, nk_error *err)
{
    nk_status status = take_text(name, "DNS", DNS_MAX_BYTES, ret_text, err);
    if (status == NK_OK && !has_labels(*ret_text)) {
        return report(err, NK_E_PEER,
                      "a DNS name of the peer has a label that is empty, longer than %d bytes, or "
                      "begins or ends with a hyphen",
                      DNS_LABEL_MAX_BYTES);
    }
    return status;
}

/* ::ffff:10.0.0.1 is 10.0.0.1 to a socket and another address to a rule. */
static bool hides_v4(const unsigned char *address)
{
    static const unsigned char mapped[MAPPED_PREFIX_BYTES] = { [10] = 0xff, [11] = 0xff };
    return memcmp(address, mapped, sizeof(mapped)) == 0;
}

static nk_status take_address(const ASN1_OCTET_STRING *address, char **ret_text, nk_error *err)
{
    const unsigned char *bytes = ASN1_STRING_get0_data(address);
    int len = ASN1_STRING_length(address);
    char text[INET6_ADDRSTRLEN];

    if (len != 4 && len != 16) {
        return report(err, NK_E_PEER, "an IP name of the peer has %d bytes", len);
    }
    if (len == 16 && hides_v4(bytes)) {
        return report(err, NK_E_PEER, "an IP name of the peer is an IPv4 address written as IPv6");
    }
    if (inet_ntop(len == 4 ? AF_INET : AF_INET6, bytes, text, sizeof(text)) == NULL) {
        return report_errno(err, NK_E_INTERNAL, "inet_ntop");
    }
    *ret_text = strdup(text);
    return *ret_text != NULL ? NK_OK : report(err, NK_E_NOMEM, "out of memory");
}

/* *ret_kind is 0 for kinds that no rule speaks about. */
static nk_status take(const GENERAL_NAME *name, uint32_t *ret_kind, char **ret_text, nk_error *err)
{
    switch (name->type) {
    case GEN_URI:
        *ret_kind = NK_NAME_URI;
        return take_text(name->d.uniformResourceIdentifier, "URI", URI_MAX_BYTES, ret_text, err);
    case GEN_DNS:
        *ret_kind = NK_NAME_DNS;
        return take_dns(name->d.dNSName, ret_text, err);
    case GEN_EMAIL:
        *ret_kind = NK_NAME_EMAIL;
        return take_text(name->d.rfc822Name, "email", EMAIL_MAX_BYTES, ret_text, err);
    case GEN_IPADD:
        *ret_kind = NK_NAME_IP;
        return take_address(name->d.iPAddress, ret_text, err);
    default:
        *ret_kind = 0;
        return NK_OK;
    }
}

/* --- all names --- */

/* OpenSSL reads BER and what follows the names; another reader may see other names in that. */
static bool is_der(X509 *leaf, GENERAL_NAMES *names)
{
    X509_EXTENSION *extension =
        X509_get_ext(leaf, X509_get_ext_by_NID(leaf, NID_subject_alt_name, -1));
    const ASN1_OCTET_STRING *shown = X509_EXTENSION_get_data(extension);
    AUTO(openssl_free) unsigned char *der = NULL;
    int len = i2d_GENERAL_NAMES(names, &der);

    return len > 0 && len == ASN1_STRING_length(shown) &&
           memcmp(der, ASN1_STRING_get0_data(shown), (size_t)len) == 0;
}

static nk_status read_alternatives(X509 *leaf, struct peer_names *names, nk_error *err)
{
    int critical = 0;
    AUTO(GENERAL_NAMES_free)
    GENERAL_NAMES *all = X509_get_ext_d2i(leaf, NID_subject_alt_name, &critical, NULL);
    if (all == NULL && critical == -1) { /* absent */
        return NK_OK;
    }
    if (all == NULL) {
        return report_openssl(err, NK_E_PEER, "the peer's subjectAltName is %s",
                              critical == -2 ? "there twice" : "malformed");
    }
    if (sk_GENERAL_NAME_num(all) > PEER_NAMES_MAX) {
        return report(err, NK_E_PEER, "the peer has %d names, at most %d are read",
                      sk_GENERAL_NAME_num(all), PEER_NAMES_MAX);
    }
    if (!is_der(leaf, all)) {
        return report(err, NK_E_PEER, "the peer's subjectAltName is not DER");
    }
    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
        uint32_t kind = 0;
        nk_status status =
            take(sk_GENERAL_NAME_value(all, i), &kind, &names->texts[names->len], err);
        if (status != NK_OK) {
            return status;
        }
        if (kind != 0) {
            names->names[names->len] = (nk_name){ .kind = kind, .text = names->texts[names->len] };
            names->len++;
        }
    }
    return NK_OK;
}

static nk_status take_common_name(const ASN1_STRING *name, struct peer_names *names, nk_error *err)
{
    AUTO(openssl_free) unsigned char *text = NULL;
    int len = ASN1_STRING_to_UTF8(&text, name);
    if (len < 0) {
        return report_openssl(err, NK_E_PEER, "read the peer's common name");
    }
    if (len > PEER_COMMON_NAME_MAX_BYTES) {
        return report(err, NK_E_PEER, "the peer's common name has %d bytes, at most %d are read",
                      len, PEER_COMMON_NAME_MAX_BYTES);
    }
    for (int i = 0; i < len; i++) {
        if (text[i] < ' ' || text[i] >= 0x7f) {
            return report(err, NK_E_PEER, "byte %d of the peer's common name is 0x%02x", i + 1,
                          text[i]);
        }
    }
    memcpy(names->common_name, text, (size_t)len);
    return NK_OK;
}

/* Of several, each reader takes another. */
static nk_status read_common_name(X509 *leaf, struct peer_names *names, nk_error *err)
{
    const X509_NAME *subject = X509_get_subject_name(leaf);
    int first = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

    if (first < 0) {
        return NK_OK;
    }
    if (X509_NAME_get_index_by_NID(subject, NID_commonName, first) >= 0) {
        return report(err, NK_E_PEER, "the peer has more than one common name");
    }
    return take_common_name(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, first)), names,
                            err);
}

nk_status peer_names_read(X509 *leaf, struct peer_names *names, nk_error *err)
{
    nk_status status = read_alternatives(leaf, names, err);
    return status == NK_OK ? read_common_name(leaf, names, err) : status;
}

void peer_names_clear(struct peer_names *names)
{
    for (size_t i = 0; i < PEER_NAMES_MAX; i++) {
        free(names->texts[i]);
    }
}
