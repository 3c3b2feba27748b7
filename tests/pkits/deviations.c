/* SPDX-License-Identifier: Apache-2.0
 * All refuse what PKITS accepts, or for another reason, but for the three at the end. */
#include "vectors.h"

#include "auto.h"

#define DSA "DSA keys, of 1024 bits here, are too weak for any peer"
#define OTHER_KEY                                                                                  \
    "a list counts when the key that issued the certificate signed it: a CA with another key for " \
    "lists, or with an old and a new key, must sign a list with each key that issued"
#define PARTIAL "a list for some revocation reasons alone is no list: complete lists only"
#define INDIRECT "indirect lists, signed by another than the issuer, are not supported"
#define NO_SUCH_INPUT "needs an input of RFC 5280 6.1.1 that no configuration of nodekey has"
#define DELTA "delta lists are not supported: what the complete list says is in force"

const struct deviation deviations[] = {
    { "4.1.4", REASON_WEAK_KEY, DSA },
    { "4.1.5", REASON_WEAK_KEY, DSA },
    { "4.1.6", REASON_WEAK_KEY, DSA },
    { "4.4.19", REASON_CRL_MISSING, OTHER_KEY },
    { "4.4.20", REASON_CRL_MISSING, OTHER_KEY },
    { "4.4.21", REASON_CRL_MISSING, OTHER_KEY },
    { "4.5.4", REASON_CRL_MISSING, OTHER_KEY },
    { "4.5.5", REASON_CRL_MISSING, OTHER_KEY },
    { "4.5.6", REASON_CRL_MISSING, OTHER_KEY },
    { "4.5.7", REASON_CRL_MISSING, OTHER_KEY },
    { "4.14.15", REASON_CRL_MISSING, PARTIAL },
    { "4.14.16", REASON_CRL_MISSING, PARTIAL },
    { "4.14.18", REASON_CRL_MISSING, PARTIAL },
    { "4.14.19", REASON_CRL_MISSING, PARTIAL },
    { "4.14.20", REASON_CRL_MISSING, PARTIAL },
    { "4.14.21", REASON_CRL_MISSING, PARTIAL },
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
    { "4.15.5", REASON_REVOKED, DELTA },
    /* Accepted, though invalid for PKITS. */
    { "4.10.1.3", HOLDS, NO_SUCH_INPUT },
    { "4.12.3.2", HOLDS, NO_SUCH_INPUT },
    { "4.15.4", HOLDS, DELTA "; crl.h refuses a delta list by name, so nobody counts on one" },
};
const size_t deviations_len = ARRAY_LEN(deviations);
