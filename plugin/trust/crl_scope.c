/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/crl_scope.h"

#include <stdio.h>
#include <string.h>

#include <openssl/err.h>

#include "base/report.h"
#include "base/text.h"

#define PLACE_BYTES 37 /* of a URI that is shown whole in a verdict */

enum { FULL_NAME = 0, RELATIVE_NAME = 1 }; /* DIST_POINT_NAME.type */

DEFINE_AUTO(CRL_DIST_POINTS *, CRL_DIST_POINTS_free);
DEFINE_AUTO(ISSUING_DIST_POINT *, ISSUING_DIST_POINT_free);

nk_status crl_scope_read(const X509_CRL *list, ISSUING_DIST_POINT **ret_scope, nk_error *err)
{
    int critical = 0;
    AUTO(ISSUING_DIST_POINT_free)
    ISSUING_DIST_POINT *scope =
        X509_CRL_get_ext_d2i(list, NID_issuing_distribution_point, &critical, NULL);
    bool absent = scope == NULL && critical == -1;

    ERR_clear_error();
    /* A name that is relative to the issuer's is spelled out here, for crl_scope_has. */
    if (!absent && (scope == NULL ||
                    (scope->distpoint != NULL &&
                     DIST_POINT_set_dpname(scope->distpoint, X509_CRL_get_issuer(list)) != 1))) {
        ERR_clear_error();
        return report(err, NK_E_TRUST,
                      "has an issuingDistributionPoint that cannot be read, or two: get it again");
    }
    if (!absent && scope->indirectCRL > 0) {
        return report(err, NK_E_TRUST,
                      "is indirect: it may revoke for other CAs, and nodekey asks each CA for its "
                      "own; have each CA issue a complete CRL of its own");
    }
    *ret_scope = scope;
    scope = NULL;
    return NK_OK;
}

const char *crl_scope_gap(const ISSUING_DIST_POINT *scope)
{
    if (scope == NULL) {
        return NULL;
    }
    if (scope->onlysomereasons != NULL) {
        return "is for some reasons alone (onlySomeReasons)";
    }
    if (scope->onlyattr > 0) {
        return "is for attribute certificates alone (onlyContainsAttributeCerts)";
    }
    return scope->onlyuser > 0 && scope->onlyCA > 0
               ? "is for no certificate (onlyContainsUserCerts and onlyContainsCACerts)"
               : NULL;
}

static bool has_directory_name(const GENERAL_NAMES *names, const X509_NAME *wanted)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DIRNAME && X509_NAME_cmp(name->d.directoryName, wanted) == 0) {
            return true;
        }
    }
    return false;
}

static bool share_a_name(const GENERAL_NAMES *a, const GENERAL_NAMES *b)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(a); i++) {
        for (int j = 0; j < sk_GENERAL_NAME_num(b); j++) {
            if (GENERAL_NAME_cmp(sk_GENERAL_NAME_value(a, i), sk_GENERAL_NAME_value(b, j)) == 0) {
                return true;
            }
        }
    }
    return false;
}

static bool is_same_point(const DIST_POINT_NAME *a, const DIST_POINT_NAME *b)
{
    if (a->type == FULL_NAME && b->type == FULL_NAME) {
        return share_a_name(a->name.fullname, b->name.fullname);
    }
    if ((a->type == RELATIVE_NAME && a->dpname == NULL) ||
        (b->type == RELATIVE_NAME && b->dpname == NULL)) {
        return false;
    }
    if (a->type == RELATIVE_NAME && b->type == RELATIVE_NAME) {
        return X509_NAME_cmp(a->dpname, b->dpname) == 0;
    }
    return a->type == RELATIVE_NAME ? has_directory_name(b->name.fullname, a->dpname)
                                    : has_directory_name(a->name.fullname, b->dpname);
}

/* A point of the certificate for some reasons only, or with another issuer of lists, does not count
 * for a direct list that must cover all reasons. */
static bool names_point(X509 *certificate, const X509_NAME *issuer, const DIST_POINT_NAME *wanted)
{
    AUTO(CRL_DIST_POINTS_free)
    CRL_DIST_POINTS *points =
        X509_get_ext_d2i(certificate, NID_crl_distribution_points, NULL, NULL);
    for (int i = 0; i < sk_DIST_POINT_num(points); i++) {
        DIST_POINT *point = sk_DIST_POINT_value(points, i);
        if (point->distpoint == NULL || point->reasons != NULL || point->CRLissuer != NULL ||
            DIST_POINT_set_dpname(point->distpoint, issuer) != 1) {
            continue;
        }
        if (is_same_point(point->distpoint, wanted)) {
            return true;
        }
    }
    return false;
}

/* RFC 5280 6.3.3 comes to it last: a list of the issuer's counts as if the certificate had a point
 * of the issuer's name. All names of the list must be that, or it may be one part of several. */
static bool is_issuers_own(const DIST_POINT_NAME *point, const X509_NAME *issuer)
{
    int len = point->type == FULL_NAME ? sk_GENERAL_NAME_num(point->name.fullname) : 0;

    for (int i = 0; i < len; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(point->name.fullname, i);
        if (name->type != GEN_DIRNAME || X509_NAME_cmp(name->d.directoryName, issuer) != 0) {
            return false;
        }
    }
    return len > 0;
}

bool crl_scope_has(const ISSUING_DIST_POINT *scope, const X509_NAME *issuer, X509 *certificate)
{
    if (scope == NULL) {
        return true;
    }
    bool is_ca = (X509_get_extension_flags(certificate) & EXFLAG_CA) != 0;
    if ((scope->onlyuser > 0 && is_ca) || (scope->onlyCA > 0 && !is_ca)) {
        return false;
    }
    return scope->distpoint == NULL || is_issuers_own(scope->distpoint, issuer) ||
           names_point(certificate, issuer, scope->distpoint);
}

/* The list's place; NULL: none that can be said in a line. */
static const char *place_of(const ISSUING_DIST_POINT *scope)
{
    const DIST_POINT_NAME *point = scope->distpoint;
    int len = point->type == FULL_NAME ? sk_GENERAL_NAME_num(point->name.fullname) : 0;

    for (int i = 0; i < len; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(point->name.fullname, i);
        if (name->type != GEN_URI) {
            continue;
        }
        const char *uri = (const char *)ASN1_STRING_get0_data(name->d.uniformResourceIdentifier);
        size_t bytes = (size_t)ASN1_STRING_length(name->d.uniformResourceIdentifier);
        if (bytes < PLACE_BYTES && strlen(uri) == bytes && text_is(uri, TEXT_VISIBLE)) {
            return uri;
        }
    }
    return NULL;
}

void crl_scope_tell(const ISSUING_DIST_POINT *scope, const X509 *certificate, char *text,
                    size_t room)
{
    bool has_points = X509_get_ext_by_NID(certificate, NID_crl_distribution_points, -1) >= 0;

    if (scope->distpoint == NULL || scope->onlyuser > 0 || scope->onlyCA > 0 || has_points) {
        snprintf(text, room, "its issuer's CRLs are for other certificates");
        return;
    }
    const char *place = place_of(scope);
    snprintf(text, room, "its issuer's CRLs are for other certificates: issue with %s%s",
             place != NULL ? "crlDistributionPoints=URI:" : "its place in crlDistributionPoints",
             place != NULL ? place : "");
}

const char *crl_scope_reason(const ASN1_ENUMERATED *code)
{
    static const char *const names[] = {
        "unspecified",   "keyCompromise",        "cACompromise",    "affiliationChanged",
        "superseded",    "cessationOfOperation", "certificateHold", "reason 7",
        "removeFromCRL", "privilegeWithdrawn",   "aACompromise",
    };
    if (code == NULL) {
        return "no reason given";
    }
    long number = ASN1_ENUMERATED_get(code);
    return number >= 0 && (size_t)number < ARRAY_LEN(names) ? names[number] : "unknown reason";
}
