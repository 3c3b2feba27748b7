/* SPDX-License-Identifier: Apache-2.0 */
#include "chain/chain_limits.h"

#include <openssl/x509v3.h>

#define PROBLEM_BYTES 150
#define SERIAL_BYTES_MAX 20

/* Sums over one chain. */
struct sums {
    long bytes;
    unsigned cost; /* of checking signatures */
    long names;
    long subtrees;
};

/* --- extensions, undecoded --- */

/* Sum of `count` over the elements of a DER sequence or set, 1 each if it is NULL; -1: no such
 * thing, or damaged. */
static long sum_elements(const unsigned char *der, long len,
                         long (*count)(const unsigned char *der, long len))
{
    long inner = 0;
    int tag = 0;
    int class = 0;
    const unsigned char *at = der;
    long sum = 0;

    if ((ASN1_get_object(&at, &inner, &tag, &class, len) & ~V_ASN1_CONSTRUCTED) != 0 ||
        at + inner != der + len) {
        return -1;
    }
    for (const unsigned char *end = at + inner; at < end; at += inner) {
        const unsigned char *element = at;
        if ((ASN1_get_object(&at, &inner, &tag, &class, end - at) & ~V_ASN1_CONSTRUCTED) != 0) {
            return -1;
        }
        long counted = count != NULL ? count(element, at + inner - element) : 1;
        if (counted < 0) {
            return -1;
        }
        sum += counted;
    }
    return sum;
}

static long count_elements(const unsigned char *der, long len)
{
    return sum_elements(der, len, NULL);
}

/* nameConstraints hold two lists: of both together. */
static long count_subtrees(const unsigned char *der, long len)
{
    return sum_elements(der, len, count_elements);
}

static const struct counted {
    int nid;
    long max;
    long (*count)(const unsigned char *der, long len);
    const char *name;
} counted[] = {
    { NID_subject_alt_name, 64, count_elements, "subjectAltName" },
    { NID_ext_key_usage, 64, count_elements, "extendedKeyUsage" },
    { NID_certificate_policies, 32, count_elements, "certificatePolicies" },
    { NID_policy_mappings, 16, count_elements, "policyMappings" },
    { NID_crl_distribution_points, 32, count_elements, "cRLDistributionPoints" },
    { NID_name_constraints, CHAIN_LIMITS_SUBTREES, count_subtrees, "nameConstraints" },
    /* RFC 3779: routing has no place in an identity, and OpenSSL's code for it has no bounds. */
    { NID_sbgp_ipAddrBlock, 0, count_elements, "IPAddrBlocks" },
    { NID_sbgp_autonomousSysNum, 0, count_elements, "autonomousSysIds" },
};

static bool extension_holds(const X509_EXTENSION *extension, X509 *certificate, int depth,
                            struct sums *sums, struct chain_failure *failure)
{
    int nid = OBJ_obj2nid(X509_EXTENSION_get_object((X509_EXTENSION *)extension));
    const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data((X509_EXTENSION *)extension);

    for (size_t i = 0; i < ARRAY_LEN(counted); i++) {
        if (counted[i].nid != nid) {
            continue;
        }
        long count = counted[i].count(ASN1_STRING_get0_data(value), ASN1_STRING_length(value));
        if (count < 0) {
            return chain_failure_set(failure, REASON_CHAIN_INVALID, depth, certificate,
                                     "the extension %s is not DER", counted[i].name);
        }
        if (count > counted[i].max) {
            return chain_failure_set(failure, REASON_CHAIN_INVALID, depth, certificate,
                                     "the extension %s has %ld elements, at most %ld are taken",
                                     counted[i].name, count, counted[i].max);
        }
        sums->names += nid == NID_subject_alt_name ? count : 0;
        sums->subtrees += nid == NID_name_constraints ? count : 0;
    }
    return true;
}

/* RFC 5280 4.2 allows one extension of a kind. Of the kinds it does not know, OpenSSL looks at the
 * first. */
static bool is_repeated(const STACK_OF(X509_EXTENSION) *extensions, int number)
{
    const ASN1_OBJECT *kind =
        X509_EXTENSION_get_object(sk_X509_EXTENSION_value(extensions, number));
    for (int i = 0; i < number; i++) {
        if (OBJ_cmp(kind, X509_EXTENSION_get_object(sk_X509_EXTENSION_value(extensions, i))) == 0) {
            return true;
        }
    }
    return false;
}

static bool extensions_hold(X509 *certificate, int depth, struct sums *sums,
                            struct chain_failure *failure)
{
    const STACK_OF(X509_EXTENSION) *extensions = X509_get0_extensions(certificate);
    int len = sk_X509_EXTENSION_num(extensions); /* -1: none */

    if (len > CHAIN_LIMITS_EXTENSIONS) {
        return chain_failure_set(failure, REASON_CHAIN_INVALID, depth, certificate,
                                 "%d extensions, at most %d are taken", len,
                                 CHAIN_LIMITS_EXTENSIONS);
    }
    for (int i = 0; i < len; i++) {
        if (is_repeated(extensions, i)) {
            return chain_failure_set(failure, REASON_CHAIN_INVALID, depth, certificate,
                                     "one kind of extension is there twice");
        }
        if (!extension_holds(sk_X509_EXTENSION_value(extensions, i), certificate, depth, sums,
                             failure)) {
            return false;
        }
    }
    return true;
}

/* --- one certificate --- */

static bool size_holds(X509 *certificate, int depth, struct sums *sums,
                       struct chain_failure *failure)
{
    int bytes = i2d_X509(certificate, NULL);
    int rdns = X509_NAME_entry_count(X509_get_subject_name(certificate));
    int issuer_rdns = X509_NAME_entry_count(X509_get_issuer_name(certificate));

    if (bytes <= 0) {
        return chain_failure_set(failure, REASON_INTERNAL, depth, certificate,
                                 "no memory to measure it");
    }
    if (bytes > CHAIN_LIMITS_CERTIFICATE_BYTES) {
        return chain_failure_set(failure, REASON_CHAIN_INVALID, depth, certificate,
                                 "the certificate has %d bytes, at most %d are taken", bytes,
                                 CHAIN_LIMITS_CERTIFICATE_BYTES);
    }
    sums->bytes += bytes;
    if (sums->bytes > CHAIN_LIMITS_BYTES) {
        return chain_failure_set(failure, REASON_CHAIN_INVALID, depth, certificate,
                                 "the chain has more than %d bytes", CHAIN_LIMITS_BYTES);
    }
    if (rdns > CHAIN_LIMITS_RDNS || issuer_rdns > CHAIN_LIMITS_RDNS) {
        return chain_failure_set(failure, REASON_CHAIN_INVALID, depth, certificate,
                                 "subject or issuer has more than %d attributes",
                                 CHAIN_LIMITS_RDNS);
    }
    sums->names += rdns + 1; /* constraints meet the whole subject, its emails and common names */
    return true;
}

static bool key_holds(X509 *certificate, int depth, struct chain_failure *failure)
{
    bool weak = false;
    const char *problem = key_limits_problem(certificate, &weak);
    return problem == NULL ||
           chain_failure_set(failure, weak ? REASON_WEAK_KEY : REASON_CHAIN_INVALID, depth,
                             certificate, "%s", problem);
}

static bool signature_holds(X509 *certificate, int depth, struct chain_failure *failure)
{
    const X509_ALGOR *algorithm = NULL;
    char problem[PROBLEM_BYTES];

    X509_get0_signature(NULL, &algorithm, certificate);
    enum key_limits_algorithm kind = key_limits_algorithm(algorithm, problem, sizeof(problem));
    return kind == ALGORITHM_GOOD ||
           chain_failure_set(failure,
                             kind == ALGORITHM_WEAK ? REASON_WEAK_KEY : REASON_CHAIN_INVALID, depth,
                             certificate, "it is %s", problem);
}

static bool serial_holds(X509 *certificate, int depth, struct chain_failure *failure)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
    const unsigned char *bytes = ASN1_STRING_get0_data(serial);
    int len = ASN1_STRING_length(serial);

    if (ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER || len == 0 || (len == 1 && bytes[0] == 0)) {
        return chain_failure_set(failure, REASON_CHAIN_INVALID, depth, certificate,
                                 "the serial number is zero or negative");
    }
    /* A leading zero for the sign counts, and is not among the bytes that OpenSSL keeps. */
    if (len > SERIAL_BYTES_MAX || (len == SERIAL_BYTES_MAX && (bytes[0] & 0x80) != 0)) {
        return chain_failure_set(failure, REASON_CHAIN_INVALID, depth, certificate,
                                 "the serial number has more than %d bytes", SERIAL_BYTES_MAX);
    }
    return true;
}

/* --- the chain --- */

static bool certificate_holds(X509 *certificate, int depth, bool strict, struct sums *sums,
                              struct chain_failure *failure)
{
    return size_holds(certificate, depth, sums, failure) &&
           extensions_hold(certificate, depth, sums, failure) &&
           key_holds(certificate, depth, failure) && signature_holds(certificate, depth, failure) &&
           (!strict || serial_holds(certificate, depth, failure));
}

/* OpenSSL tries the keys of issuers, and the leaf's own if the leaf may have signed itself. */
static bool key_is_tried(const X509 *certificate, int depth)
{
    return depth > 0 || X509_NAME_cmp(X509_get_subject_name(certificate),
                                      X509_get_issuer_name(certificate)) == 0;
}

bool chain_limits_hold(X509 *leaf, STACK_OF(X509) *others, bool strict, unsigned *ret_left,
                       struct chain_failure *ret_failure)
{
    struct sums sums = { 0 };
    int len = 1 + (others != NULL ? sk_X509_num(others) : 0);

    if (len > CHAIN_LIMITS_CERTIFICATES) {
        return chain_failure_set(ret_failure, REASON_CHAIN_INVALID, 0, leaf,
                                 "%d certificates were sent, at most %d are taken", len,
                                 CHAIN_LIMITS_CERTIFICATES);
    }
    for (int i = 0; i < len; i++) {
        X509 *certificate = i == 0 ? leaf : sk_X509_value(others, i - 1);
        if (!certificate_holds(certificate, i, strict, &sums, ret_failure)) {
            return false;
        }
        sums.cost += key_is_tried(certificate, i) ? key_limits_cost(certificate) : 0;
    }
    if (sums.cost > KEY_LIMITS_COST) {
        return chain_failure_set(
            ret_failure, REASON_CHAIN_INVALID, 0, leaf,
            "checking its issuers' signatures would cost too much: use fewer issuers, or "
            "P-256 keys");
    }
    if (sums.names * sums.subtrees > CHAIN_LIMITS_NAME_WORK) {
        return chain_failure_set(ret_failure, REASON_CHAIN_INVALID, 0, leaf,
                                 "%ld names under %ld name constraints are more than are compared",
                                 sums.names, sums.subtrees);
    }
    *ret_left = KEY_LIMITS_COST - sums.cost;
    return true;
}
