/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/certificate_form.h"

#include <stdbool.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/auto.h"

DEFINE_AUTO(NAME_CONSTRAINTS *, NAME_CONSTRAINTS_free);
DEFINE_AUTO(AUTHORITY_INFO_ACCESS *, AUTHORITY_INFO_ACCESS_free);

static const X509_EXTENSION *find_extension(const X509 *certificate, int nid)
{
    int at = X509_get_ext_by_NID(certificate, nid, -1);
    return at >= 0 ? X509_get_ext(certificate, at) : NULL;
}

static bool is_there_uncritical(const X509 *certificate, int nid)
{
    const X509_EXTENSION *extension = find_extension(certificate, nid);
    return extension != NULL && X509_EXTENSION_get_critical(extension) == 0;
}

/* --- name constraints --- */

static bool has_empty_list(const NAME_CONSTRAINTS *constraints)
{
    bool none = constraints->permittedSubtrees == NULL && constraints->excludedSubtrees == NULL;
    return none || sk_GENERAL_SUBTREE_num(constraints->permittedSubtrees) == 0 ||
           sk_GENERAL_SUBTREE_num(constraints->excludedSubtrees) == 0; /* -1: absent */
}

static bool has_dotted_dns(const STACK_OF(GENERAL_SUBTREE) *subtrees)
{
    for (int i = 0; i < sk_GENERAL_SUBTREE_num(subtrees); i++) {
        const GENERAL_NAME *base = sk_GENERAL_SUBTREE_value(subtrees, i)->base;
        if (base->type == GEN_DNS && ASN1_STRING_length(base->d.dNSName) > 0 &&
            ASN1_STRING_get0_data(base->d.dNSName)[0] == '.') {
            return true;
        }
    }
    return false;
}

static const char *constraints_problem(const X509 *certificate)
{
    int critical = 0;
    AUTO(NAME_CONSTRAINTS_free)
    NAME_CONSTRAINTS *constraints =
        X509_get_ext_d2i(certificate, NID_name_constraints, &critical, NULL);

    if (constraints == NULL) { /* absent, or OpenSSL refuses it */
        ERR_clear_error();
        return NULL;
    }
    if ((X509_get_extension_flags((X509 *)certificate) & EXFLAG_CA) == 0) {
        return "has nameConstraints, which are for CAs: have it issued without";
    }
    if (critical == 0) {
        return "has nameConstraints that are not critical: have it issued with "
               "nameConstraints=critical,...";
    }
    if (has_empty_list(constraints)) {
        return "has nameConstraints that name nothing: have it issued with a subtree, or without";
    }
    return has_dotted_dns(constraints->permittedSubtrees) ||
                   has_dotted_dns(constraints->excludedSubtrees)
               ? "has a DNS name with a dot in front in nameConstraints: have it issued without "
                 "the dot"
               : NULL;
}

/* --- the rest --- */

static bool is_der(const AUTHORITY_INFO_ACCESS *access, const ASN1_OCTET_STRING *value)
{
    unsigned char *der = NULL;
    int len = i2d_AUTHORITY_INFO_ACCESS(access, &der);
    bool same = len > 0 && len == ASN1_STRING_length(value) &&
                memcmp(der, ASN1_STRING_get0_data(value), (size_t)len) == 0;

    OPENSSL_free(der);
    return same;
}

static const char *access_problem(const X509 *certificate)
{
    const X509_EXTENSION *extension = find_extension(certificate, NID_info_access);
    if (extension == NULL) {
        return NULL;
    }
    AUTO(AUTHORITY_INFO_ACCESS_free)
    AUTHORITY_INFO_ACCESS *access = X509V3_EXT_d2i((X509_EXTENSION *)extension);
    bool good = access != NULL &&
                is_der(access, X509_EXTENSION_get_data((X509_EXTENSION *)(uintptr_t)extension));

    ERR_clear_error();
    return good ? NULL : "has an authorityInfoAccess that is not DER: have it issued again";
}

const char *certificate_form_problem(const X509 *certificate)
{
    const char *problem = constraints_problem(certificate);
    if (problem == NULL) {
        problem = access_problem(certificate);
    }
    if (problem != NULL) {
        return problem;
    }
    if (is_there_uncritical(certificate, NID_policy_constraints)) {
        return "has policyConstraints that are not critical: have it issued with "
               "policyConstraints=critical,...";
    }
    return is_there_uncritical(certificate, NID_inhibit_any_policy)
               ? "has an inhibitAnyPolicy that is not critical: have it issued with "
                 "inhibitAnyPolicy=critical,..."
               : NULL;
}

const char *certificate_form_below_root(const X509 *certificate)
{
    if ((X509_get_extension_flags((X509 *)certificate) & EXFLAG_CA) != 0 &&
        is_there_uncritical(certificate, NID_basic_constraints)) {
        return "has basicConstraints that are not critical: have it issued with "
               "basicConstraints=critical,CA:TRUE";
    }
    return X509_NAME_entry_count(X509_get_subject_name(certificate)) == 0 &&
                   is_there_uncritical(certificate, NID_subject_alt_name)
               ? "has no subject, but a subjectAltName that is not critical: have it issued with "
                 "subjectAltName=critical,..."
               : NULL;
}
