/* SPDX-License-Identifier: Apache-2.0
 * The tests of NIST's Public Key Interoperability Test Suite (PKITS 1.0.1), as the specification
 * words them, and where this build answers otherwise. */
#ifndef NODEKEY_TESTS_PKITS_VECTORS_H
#define NODEKEY_TESTS_PKITS_VECTORS_H

#include <stddef.h>

#include "chain/reasons.h"

/* A verdict: HOLDS, or the reason to refuse. */
#define HOLDS REASONS_LEN

/* Inputs of RFC 5280 section 6.1.1 that differ from PKITS' default settings. */
enum {
    ASKS_EXPLICIT = 1,        /* initial-explicit-policy */
    ASKS_INHIBIT_MAPPING = 2, /* initial-policy-mapping-inhibit */
    ASKS_INHIBIT_ANY = 4,     /* initial-any-policy-inhibit */
};

struct vector {
    const char *number; /* "4.8.1.3" */
    const char *file;   /* of the end entity, without ".crt" */
    enum reason want;   /* REASON_NO_RULE: the path holds, but for none of the policies asked for */
    const char *policies; /* user-initial-policy-set, a digit per NIST-test-policy-N; NULL: any */
    unsigned asks;
};

struct section {
    const char *title;
    const struct vector *vectors;
    size_t len;
};
#define SECTIONS 16
extern const struct section sections[SECTIONS]; /* of chapter 4 */

struct deviation {
    const char *number;
    enum reason verdict; /* what nodekey says instead */
    const char *why;
};
extern const struct deviation deviations[];
extern const size_t deviations_len;

/* Lists of the suite that are refused when they are read, whatever certificate is asked for. */
struct refused_list {
    const char *file; /* without ".crl" */
    const char *text; /* part of the error */
};
#define REFUSED_LISTS_MAX 16
extern const struct refused_list refused_lists[];
extern const size_t refused_lists_len;

#endif
