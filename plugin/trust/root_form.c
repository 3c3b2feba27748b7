/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/root_form.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/auto.h"
#include "trust/certificate_form.h"

DEFINE_AUTO(GENERAL_NAMES *, GENERAL_NAMES_free);

bool root_form_has_unknown_critical(const X509 *root)
{
    for (int i = 0; i < X509_get_ext_count(root); i++) {
        X509_EXTENSION *extension = (X509_EXTENSION *)X509_get_ext(root, i); /* const in 4.0 */
        int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
        bool identifies = nid == NID_subject_key_identifier || nid == NID_authority_key_identifier;
        if (X509_EXTENSION_get_critical(extension) != 0 && !identifies &&
            X509_supported_extension(extension) != 1) {
            return true;
        }
    }
    return false;
}

static bool has_empty_alternative(const X509 *root)
{
    AUTO(GENERAL_NAMES_free)
    GENERAL_NAMES *names = X509_get_ext_d2i(root, NID_subject_alt_name, NULL, NULL);
    return sk_GENERAL_NAME_num(names) == 0; /* -1: absent */
}

/* OpenSSL's strict, less what chain_anchor.h passes over. */
static const char *strict_problem(X509 *root)
{
    if (X509_NAME_entry_count(X509_get_subject_name(root)) == 0) {
        return "has an empty subject: have the federation make a root with a name";
    }
    if (X509_get_version(root) != X509_VERSION_3) {
        return "has extensions, but is not of version 3: have the federation make its root again";
    }
    if (has_empty_alternative(root)) {
        return "has an empty subjectAltName: have the federation make its root without";
    }
    return certificate_form_problem(root);
}

const char *root_form_problem(X509 *root, bool strict)
{
    if (root_form_has_unknown_critical(root)) {
        return "has a critical extension that OpenSSL does not know: have the federation make a "
               "root without";
    }
    if (X509_check_purpose(root, X509_PURPOSE_SSL_CLIENT, 1) != 1 &&
        X509_check_purpose(root, X509_PURPOSE_SSL_SERVER, 1) != 1) {
        return "has an extendedKeyUsage without serverAuth and clientAuth: have the federation "
               "make a root without that extension";
    }
    return strict ? strict_problem(root) : NULL;
}
