/* SPDX-License-Identifier: Apache-2.0
 * All refuse what PKITS accepts, or for another reason, but for the three at the end. */
#include "pkits/vectors.h"

#include "base/auto.h"

#define DSA "DSA is taken from no peer, and the keys have 1024 bits"
#define OTHER_KEY                                                                                  \
    "a list counts when a key on the certificate's path signed it: a CA with another key for "     \
    "lists, or with an old and a new key, must sign a list with each key that issued"
#define PARTIAL "a list for some revocation reasons alone clears nobody: complete lists only"
#define INDIRECT                                                                                   \
    "lists of another than the issuer clear nobody; indirect lists are refused when they are read"
#define DELTA "delta lists are not supported: what the complete list holds is not released by one"
#define UNKNOWN                                                                                    \
    "a list that has a critical extension itself which nodekey does not know is refused when it "  \
    "is read, so that its issuer has none"
#define DELTA_LEFT_OUT                                                                             \
    "a delta list is refused when it is read: at open that is the end, at a reload the complete "  \
    "list, which does not revoke it, stays in force"
#define ANY_POLICY                                                                                 \
    "a rule with policy_oid wants it named: anyPolicy in the leaf vouches for nothing"
#define NO_SUCH_INPUT "needs an input of RFC 5280 6.1.1 that no configuration of nodekey has"

const struct deviation deviations[] = {
    { "4.1.4", REASON_WEAK_KEY, DSA },
    { "4.1.5", REASON_CHAIN_INVALID, DSA },
    { "4.1.6", REASON_WEAK_KEY, DSA },
    { "4.4.9", REASON_CRL_MISSING, UNKNOWN },
    { "4.4.10", REASON_CRL_MISSING, UNKNOWN },
    { "4.4.19", REASON_CRL_INVALID, OTHER_KEY },
    { "4.4.20", REASON_CRL_INVALID, OTHER_KEY },
    { "4.5.4", REASON_CRL_INVALID, OTHER_KEY },
    { "4.5.5", REASON_CRL_INVALID, OTHER_KEY },
    { "4.5.6", REASON_CRL_INVALID, OTHER_KEY },
    { "4.5.7", REASON_CRL_INVALID, OTHER_KEY },
    { "4.8.11.2", REASON_NO_RULE, ANY_POLICY },
    { "4.8.18.1", REASON_NO_RULE, ANY_POLICY },
    { "4.8.18.2", REASON_NO_RULE, ANY_POLICY },
    { "4.10.12.1", REASON_NO_RULE, ANY_POLICY },
    { "4.10.12.2", REASON_NO_RULE, ANY_POLICY },
    { "4.14.18", REASON_CRL_MISSING, PARTIAL },
    { "4.14.19", REASON_CRL_MISSING, PARTIAL },
    { "4.14.22", REASON_CRL_MISSING, INDIRECT },
    { "4.14.23", REASON_CRL_MISSING, INDIRECT },
    { "4.14.24", REASON_CRL_MISSING, INDIRECT },
    { "4.14.25", REASON_CRL_MISSING, INDIRECT },
    { "4.14.28", REASON_CRL_MISSING, INDIRECT },
    { "4.14.29", REASON_CRL_MISSING, INDIRECT },
    { "4.14.30", REASON_CRL_MISSING, INDIRECT },
    { "4.14.31", REASON_CRL_MISSING, INDIRECT },
    { "4.14.32", REASON_CRL_MISSING, INDIRECT },
    { "4.14.33", REASON_CRL_MISSING, INDIRECT },
    { "4.14.34", REASON_CRL_MISSING, INDIRECT },
    { "4.15.1", REASON_CRL_MISSING, DELTA },
    { "4.15.5", REASON_REVOKED, DELTA },
    /* Accepted, though invalid for PKITS. */
    { "4.10.1.3", HOLDS, NO_SUCH_INPUT },
    { "4.12.3.2", HOLDS, NO_SUCH_INPUT },
    { "4.15.4", HOLDS, DELTA_LEFT_OUT },
};
const size_t deviations_len = ARRAY_LEN(deviations);

const struct refused_list refused_lists[] = {
    { "DSACACRL", "is signed with dsaWithSHA1" },
    { "DSAParametersInheritedCACRL", "is signed with dsaWithSHA1" },
    { "UnknownCRLExtensionCACRL", "has the critical extension 2.16.840.1.101.2.1.12.2" },
    { "deltaCRLCA1deltaCRL", "is a delta CRL" },
    { "deltaCRLCA2deltaCRL", "is a delta CRL" },
    { "deltaCRLCA3deltaCRL", "is a delta CRL" },
    { "deltaCRLIndicatorNoBaseCACRL", "is a delta CRL" },
    { "indirectCRLCA1CRL", "is indirect" },
    { "indirectCRLCA3cRLIssuerCRL", "is indirect" },
    { "indirectCRLCA4cRLIssuerCRL", "is indirect" },
    { "indirectCRLCA5CRL", "is indirect" },
};
const size_t refused_lists_len = ARRAY_LEN(refused_lists);
