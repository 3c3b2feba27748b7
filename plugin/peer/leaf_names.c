/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/leaf_names.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/x509v3.h>

#include "base/report.h"
#include "base/text.h"
#include "peer/leaf_extension.h"
#include "rules/address.h"
#include "rules/glob.h"

#define URI_MAX_BYTES 2048  /* SPIFFE ID section 2.3 */
#define DNS_MAX_BYTES 254   /* a dot at the end included */
#define EMAIL_MAX_BYTES 320 /* 64 of a local part, the @, 255 of a domain: RFC 3696 section 3 */
#define NAME_SHOWN_BYTES 80

DEFINE_AUTO(GENERAL_NAMES *, GENERAL_NAMES_free);

static void openssl_free(void *data)
{
    OPENSSL_free(data);
}
DEFINE_AUTO(unsigned char *, openssl_free);

/* --- subjectAltName --- */

/* Rules compare bytes, so a name that two readers may read differently is refused. */
static nk_status printable_name(const ASN1_STRING *name, const char *what, int max_bytes,
                                char **ret_text, nk_error *err)
{
    const unsigned char *bytes = ASN1_STRING_get0_data(name);
    int len = ASN1_STRING_length(name);

    if (len <= 0) {
        return report(err, NK_E_PEER, "a %s name of the peer is empty", what);
    }
    size_t span = text_span(bytes, (size_t)len, TEXT_VISIBLE);
    if (span < (size_t)len) {
        return report(err, NK_E_PEER, "byte %zu of a %s name of the peer is 0x%02x", span + 1, what,
                      bytes[span]);
    }
    if (len > max_bytes) {
        return report(err, NK_E_PEER, "a %s name of the peer has %d bytes, at most %d are read",
                      what, len, max_bytes);
    }
    *ret_text = strndup((const char *)bytes, (size_t)len);
    return *ret_text != NULL ? NK_OK : report(err, NK_E_NOMEM, "out of memory");
}

static nk_status dns_name(const ASN1_STRING *name, char **ret_text, nk_error *err)
{
    AUTO(free) char *text = NULL;
    nk_status status = printable_name(name, "DNS", DNS_MAX_BYTES, &text, err);
    if (status != NK_OK) {
        return status;
    }
    const char *problem = glob_dns_name_problem(text);
    if (problem != NULL) {
        return report(err, NK_E_PEER, "the peer's DNS name \"%.*s\" %s", NAME_SHOWN_BYTES, text,
                      problem);
    }
    *ret_text = text;
    text = NULL;
    return NK_OK;
}

static nk_status address_name(const ASN1_OCTET_STRING *address, char **ret_text, nk_error *err)
{
    const unsigned char *bytes = ASN1_STRING_get0_data(address);
    int len = ASN1_STRING_length(address);
    char text[INET6_ADDRSTRLEN];

    if (len != 4 && len != ADDRESS_IPV6_BYTES) {
        return report(err, NK_E_PEER, "an IP name of the peer has %d bytes", len);
    }
    if (inet_ntop(len == 4 ? AF_INET : AF_INET6, bytes, text, sizeof(text)) == NULL) {
        return report_errno(err, NK_E_INTERNAL, "inet_ntop");
    }
    if (len == ADDRESS_IPV6_BYTES && address_hides_ipv4(bytes)) {
        return report(err, NK_E_PEER,
                      "the peer's IP name %s is an IPv4 address written as IPv6, which rules for "
                      "IPv4 do not see",
                      text);
    }
    *ret_text = strdup(text);
    return *ret_text != NULL ? NK_OK : report(err, NK_E_NOMEM, "out of memory");
}

/* *ret_kind is 0 for kinds that no rule speaks about. */
static nk_status read_name(const GENERAL_NAME *name, uint32_t *ret_kind, char **ret_text,
                           nk_error *err)
{
    switch (name->type) {
    case GEN_URI:
        *ret_kind = NK_NAME_URI;
        return printable_name(name->d.uniformResourceIdentifier, "URI", URI_MAX_BYTES, ret_text,
                              err);
    case GEN_DNS:
        *ret_kind = NK_NAME_DNS;
        return dns_name(name->d.dNSName, ret_text, err);
    case GEN_EMAIL:
        *ret_kind = NK_NAME_EMAIL;
        return printable_name(name->d.rfc822Name, "email", EMAIL_MAX_BYTES, ret_text, err);
    case GEN_IPADD:
        *ret_kind = NK_NAME_IP;
        return address_name(name->d.iPAddress, ret_text, err);
    default:
        *ret_kind = 0;
        return NK_OK;
    }
}

/* No more than there are: a peer may be kept. */
static bool make_room(struct names_storage *storage, size_t len)
{
    storage->room = len > 0 ? len : 1;
    storage->texts = calloc(storage->room, sizeof(*storage->texts));
    storage->names = calloc(storage->room, sizeof(*storage->names));
    return storage->texts != NULL && storage->names != NULL;
}

static nk_status read_alternative_names(const X509 *leaf, struct names_storage *storage,
                                        nk_peer *facts, nk_error *err)
{
    void *extension = NULL;
    nk_status status = leaf_extension_read(leaf, NID_subject_alt_name,
                                           ASN1_ITEM_rptr(GENERAL_NAMES), &extension, err);
    AUTO(GENERAL_NAMES_free) GENERAL_NAMES *names = extension;
    if (status != NK_OK || names == NULL) {
        return status;
    }
    if (sk_GENERAL_NAME_num(names) > TRAITS_NAMES_MAX) {
        return report(err, NK_E_PEER, "the peer has %d names, at most %d are read",
                      sk_GENERAL_NAME_num(names), TRAITS_NAMES_MAX);
    }
    if (!make_room(storage, (size_t)sk_GENERAL_NAME_num(names))) {
        return report(err, NK_E_NOMEM, "out of memory");
    }
    facts->names = storage->names;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        size_t number = facts->names_len;
        uint32_t kind = 0;
        status = read_name(sk_GENERAL_NAME_value(names, i), &kind, &storage->texts[number], err);
        if (status != NK_OK) {
            return status;
        }
        if (kind != 0) {
            storage->names[number] = (nk_name){ .kind = kind, .text = storage->texts[number] };
            facts->names_len++;
        }
    }
    return NK_OK;
}

/* --- the common name --- */

/* Letters beyond ASCII are a name, which no rule can have: rule_list_odd_name. */
static nk_status copy_common_name(const ASN1_STRING *name, char *room, nk_error *err)
{
    AUTO(openssl_free) unsigned char *text = NULL;
    int len = ASN1_STRING_to_UTF8(&text, name);
    if (len < 0) {
        return report_openssl(err, NK_E_PEER, "read the peer's common name");
    }
    if (len > NAMES_COMMON_NAME_MAX_BYTES) {
        return report(err, NK_E_PEER, "the peer's common name has %d bytes, at most %d are read",
                      len, NAMES_COMMON_NAME_MAX_BYTES);
    }
    size_t span = text_span(text, (size_t)len, TEXT_ONE_LINE);
    if (span < (size_t)len) {
        return report(err, NK_E_PEER, "byte %zu of the peer's common name is 0x%02x", span + 1,
                      text[span]);
    }
    memcpy(room, text, (size_t)len);
    return NK_OK;
}

static nk_status read_common_name(const X509 *leaf, struct names_storage *storage, nk_error *err)
{
    const X509_NAME *subject = X509_get_subject_name(leaf);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

    if (at < 0) {
        return NK_OK;
    }
    /* Two common names would let a peer get round a deny rule: by the one that is not taken. */
    if (X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) {
        return report(err, NK_E_PEER,
                      "the peer's subject has more than one common name, so no rule can tell which "
                      "it goes by: issue its certificate with one, or none");
    }
    return copy_common_name(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)),
                            storage->common_name, err);
}

/* --- both --- */

nk_status leaf_names_read(const X509 *leaf, struct names_storage *storage, nk_peer *facts,
                          nk_error *err)
{
    static const nk_name none = { .text = NULL };

    facts->names = &none;
    facts->common_name = storage->common_name;
    nk_status status = read_alternative_names(leaf, storage, facts, err);
    return status == NK_OK ? read_common_name(leaf, storage, err) : status;
}

void leaf_names_clear(struct names_storage *storage)
{
    for (size_t i = 0; storage->texts != NULL && i < storage->room; i++) {
        free(storage->texts[i]);
    }
    free(storage->texts);
    free(storage->names);
    storage->texts = NULL;
    storage->names = NULL;
}
