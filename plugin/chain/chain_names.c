/* SPDX-License-Identifier: Apache-2.0 */
#include "chain/chain_names.h"

#include <string.h>

#include <openssl/x509v3.h>

#define HOST_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

DEFINE_AUTO(NAME_CONSTRAINTS *, NAME_CONSTRAINTS_free);
DEFINE_AUTO(GENERAL_NAMES *, GENERAL_NAMES_free);

/* Bytes of a certificate, borrowed; may hold a NUL. */
struct span {
    const char *at;
    size_t len;
};

static struct span span_of(const ASN1_STRING *string)
{
    const char *at = (const char *)ASN1_STRING_get0_data(string);
    return (struct span){ at != NULL ? at : "", (size_t)ASN1_STRING_length(string) };
}

/* ASCII alone, whatever the host's locale. */
static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool is_same(struct span a, struct span b)
{
    bool same = a.len == b.len;

    for (size_t i = 0; same && i < a.len; i++) {
        same = lower(a.at[i]) == lower(b.at[i]);
    }
    return same;
}

static bool ends_with(struct span whole, struct span end)
{
    return whole.len >= end.len &&
           is_same((struct span){ whole.at + whole.len - end.len, end.len }, end);
}

static struct span without_last_dot(struct span name)
{
    name.len -= name.len > 0 && name.at[name.len - 1] == '.';
    return name;
}

/* Moves *span behind its first `mark`; false: there is none. */
static bool pass(struct span *span, char mark)
{
    const char *found = memchr(span->at, mark, span->len);
    if (found == NULL) {
        return false;
    }
    span->len -= (size_t)(found + 1 - span->at);
    span->at = found + 1;
    return true;
}

/* --- hosts and subtrees --- */

/* A base with a dot in front is for what is below it alone; the empty base is for all. */
static bool is_below(struct span name, struct span base)
{
    return base.len == 0 || (name.len > base.len && ends_with(name, base) &&
                             (base.at[0] == '.' || name.at[name.len - base.len - 1] == '.'));
}

/* The star is one label, so *.example.com serves as bar.example.com. About a star inside a label
 * verifiers differ: it is taken for any label. */
static bool serves_as(struct span name, struct span host)
{
    struct span parent = name;

    return pass(&parent, '.') && memchr(name.at, '*', name.len - parent.len) != NULL &&
           pass(&host, '.') && is_same(parent, host);
}

static bool dns_is_in(struct span name, struct span base)
{
    name = without_last_dot(name);
    base = without_last_dot(base);
    return is_below(name, base) || is_same(name, base) || serves_as(name, base);
}

static bool uri_is_in(struct span host, struct span base)
{
    base = without_last_dot(base);
    return is_same(host, base) || ((base.len == 0 || base.at[0] == '.') && is_below(host, base));
}

/* A domain name: not empty, no address. */
static bool is_domain(struct span host)
{
    bool numeric = true;

    for (size_t i = 0; i < host.len; i++) {
        if (memchr(HOST_CHARACTERS, host.at[i], sizeof(HOST_CHARACTERS) - 1) == NULL) {
            return false;
        }
        numeric = numeric && strchr("0123456789.", host.at[i]) != NULL;
    }
    return !numeric;
}

static bool ends_authority(char byte)
{
    return byte == '/' || byte == '?' || byte == '#';
}

/* Host of a URI: RFC 3986 3.2. False: none that is a domain name. */
static bool find_host(struct span uri, struct span *ret_host)
{
    struct span host = uri;

    if (!pass(&host, ':') || host.len < 2 || memcmp(host.at, "//", 2) != 0) {
        return false;
    }
    host.at += 2;
    size_t room = host.len - 2;
    for (host.len = 0; host.len < room && !ends_authority(host.at[host.len]);) {
        host.len++;
    }
    (void)pass(&host, '@');
    const char *port = memchr(host.at, ':', host.len);
    host.len = port != NULL ? (size_t)(port - host.at) : host.len;
    *ret_host = without_last_dot(host);
    return is_domain(*ret_host);
}

/* --- one name under one CA's constraints --- */

typedef bool is_in(struct span name, struct span base);

/* Subtrees of the name's kind; with `in` only those that hold it. */
static int count_subtrees(const STACK_OF(GENERAL_SUBTREE) *subtrees, int kind, struct span name,
                          is_in *in)
{
    int count = 0;

    for (int i = 0; i < sk_GENERAL_SUBTREE_num(subtrees); i++) {
        const GENERAL_NAME *base = sk_GENERAL_SUBTREE_value(subtrees, i)->base;
        /* DNS names, URIs and e-mail addresses are all IA5Strings. */
        count += base->type == kind && (in == NULL || in(name, span_of(base->d.ia5)));
    }
    return count;
}

static bool is_constrained(const NAME_CONSTRAINTS *constraints, int kind)
{
    const struct span none = { "", 0 };
    return count_subtrees(constraints->permittedSubtrees, kind, none, NULL) > 0 ||
           count_subtrees(constraints->excludedSubtrees, kind, none, NULL) > 0;
}

static const char *uri_problem(const NAME_CONSTRAINTS *constraints, struct span uri)
{
    const STACK_OF(GENERAL_SUBTREE) *permitted = constraints->permittedSubtrees;
    struct span host;

    if (!is_constrained(constraints, GEN_URI)) {
        return NULL;
    }
    if (!find_host(uri, &host)) {
        return "a URI has no host name, but nameConstraints are about it";
    }
    if (count_subtrees(constraints->excludedSubtrees, GEN_URI, host, uri_is_in) > 0) {
        return "the host of a URI is excluded by nameConstraints";
    }
    return count_subtrees(permitted, GEN_URI, host, NULL) > 0 &&
                   count_subtrees(permitted, GEN_URI, host, uri_is_in) == 0
               ? "the host of a URI is not permitted by nameConstraints"
               : NULL;
}

static const char *email_problem(const NAME_CONSTRAINTS *constraints, struct span email)
{
    return is_constrained(constraints, GEN_EMAIL) && pass(&email, '@') && pass(&email, '@')
               ? "an e-mail address has two @, but nameConstraints are about it"
               : NULL;
}

static const char *name_problem(const NAME_CONSTRAINTS *constraints, const GENERAL_NAME *name,
                                bool strict)
{
    switch (name->type) {
    case GEN_DNS:
        return count_subtrees(constraints->excludedSubtrees, GEN_DNS, span_of(name->d.ia5),
                              dns_is_in) > 0
                   ? "a DNS name would serve as one that is excluded by nameConstraints"
                   : NULL;
    case GEN_URI:
        return uri_problem(constraints, span_of(name->d.ia5));
    case GEN_EMAIL:
        return strict ? email_problem(constraints, span_of(name->d.ia5)) : NULL;
    default:
        return NULL;
    }
}

/* --- the path --- */

static const char *certificate_problem(const NAME_CONSTRAINTS *constraints, const X509 *certificate,
                                       bool strict)
{
    AUTO(GENERAL_NAMES_free)
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    const char *problem = NULL;

    for (int i = 0; problem == NULL && i < sk_GENERAL_NAME_num(names); i++) {
        problem = name_problem(constraints, sk_GENERAL_NAME_value(names, i), strict);
    }
    return problem;
}

/* RFC 5280 6.1.3 b: a self-issued CA is left out. */
static bool is_judged(X509 *certificate, int depth)
{
    return depth == 0 || (X509_get_extension_flags(certificate) & EXFLAG_SI) == 0;
}

bool chain_names_hold(STACK_OF(X509) *path, bool strict, struct chain_failure *ret_failure)
{
    for (int i = 1; i < sk_X509_num(path); i++) {
        AUTO(NAME_CONSTRAINTS_free)
        NAME_CONSTRAINTS *constraints =
            X509_get_ext_d2i(sk_X509_value(path, i), NID_name_constraints, NULL, NULL);
        for (int j = 0; constraints != NULL && j < i; j++) {
            X509 *certificate = sk_X509_value(path, j);
            const char *problem = is_judged(certificate, j)
                                      ? certificate_problem(constraints, certificate, strict)
                                      : NULL;
            if (problem != NULL) {
                return chain_failure_set(ret_failure, REASON_CHAIN_INVALID, j, certificate, "%s",
                                         problem);
            }
        }
    }
    return true;
}
