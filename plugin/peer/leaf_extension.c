/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/leaf_extension.h"

#include <stdbool.h>

#include "base/report.h"

DEFINE_AUTO(ASN1_STRING *, ASN1_STRING_free);

/* RFC 5280 section 4.1: every value has one encoding. */
static bool is_der(void *value, const ASN1_ITEM *item, const ASN1_OCTET_STRING *sent)
{
    AUTO(ASN1_STRING_free) ASN1_STRING *der = ASN1_item_pack(value, item, NULL);

    return der != NULL && ASN1_OCTET_STRING_cmp(der, sent) == 0;
}

nk_status leaf_extension_read(const X509 *leaf, int nid, const ASN1_ITEM *item, void **ret_value,
                              nk_error *err)
{
    int at = X509_get_ext_by_NID(leaf, nid, -1);

    if (at < 0) {
        *ret_value = NULL;
        return NK_OK;
    }
    if (X509_get_ext_by_NID(leaf, nid, at) >= 0) {
        return report(err, NK_E_PEER, "the peer's %s is there twice", OBJ_nid2sn(nid));
    }
    const ASN1_OCTET_STRING *sent = X509_EXTENSION_get_data(X509_get_ext(leaf, at));
    const unsigned char *bytes = ASN1_STRING_get0_data(sent);
    void *value = ASN1_item_d2i(NULL, &bytes, ASN1_STRING_length(sent), item);
    if (value == NULL) {
        return report_openssl(err, NK_E_PEER, "the peer's %s is malformed", OBJ_nid2sn(nid));
    }
    if (!is_der(value, item, sent)) {
        ASN1_item_free(value, item);
        return report(err, NK_E_PEER,
                      "the peer's %s is malformed: it is not DER, or bytes follow it",
                      OBJ_nid2sn(nid));
    }
    *ret_value = value;
    return NK_OK;
}
