/* SPDX-License-Identifier: Apache-2.0 */
#include "glob.h"

#include <stddef.h>
#include <string.h>

#include "rules.h"

#define DNS_NAME_MAX 253
#define DNS_LABEL_MAX 63
#define LOCAL_PART_MAX 64

/* Not <ctype.h>: its answers depend on the host's locale. */
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool is_alpha(char c)
{
    return lower(c) >= 'a' && lower(c) <= 'z';
}

static bool is_hex(char c)
{
    return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f');
}

static bool is_one_of(const char *set, char c)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* RFC 3986 pchar without percent-encoding and the star, which is ours. */
static bool is_segment_byte(char c)
{
    return is_alpha(c) || is_digit(c) || is_one_of("-._~!$&'()+,;=:@", c);
}

static bool is_label_byte(char c)
{
    return is_alpha(c) || is_digit(c) || c == '-' || c == '_';
}

static bool is_dot_segment(const char *segment, size_t len)
{
    return (len == 1 && segment[0] == '.') || (len == 2 && memcmp(segment, "..", 2) == 0);
}

static const char *uri_byte_problem(const char *at)
{
    if (*at <= ' ' || *at >= 0x7f) {
        return "holds a space, a control character or a non-ASCII byte";
    }
    if (*at == '?' || *at == '#') {
        return "holds a query or a fragment, which no rule compares";
    }
    if (is_one_of("\"<>\\^`{|}", *at)) {
        return "holds a character that no URI has";
    }
    if (*at == '%' && !(is_hex(at[1]) && is_hex(at[2]))) {
        return "holds a percent sign without two hexadecimal digits";
    }
    return NULL;
}

static const char *path_problem(const char *path)
{
    while (*path == '/') {
        const char *segment = path + 1;
        size_t len = strcspn(segment, "/");
        if (memchr(segment, '*', len) != NULL && len != 1) {
            return "has a * beside other characters: it stands for one whole path segment";
        }
        if (is_dot_segment(segment, len)) {
            return "has a path segment . or ..";
        }
        path = segment + len;
    }
    return NULL;
}

const char *glob_uri_problem(const char *pattern)
{
    for (const char *at = pattern; *at != '\0'; at++) {
        const char *problem = uri_byte_problem(at);
        if (problem != NULL) {
            return problem;
        }
    }

    const char *at = pattern;
    while (is_alpha(*at) || (at > pattern && (is_digit(*at) || is_one_of("+-.", *at)))) {
        at++;
    }
    if (at == pattern || *at != ':' || at[1] == '\0') {
        return "does not begin with a scheme and what it names, such as spiffe://federation/node";
    }

    at++;
    if (strncmp(at, "//", 2) != 0) {
        return strchr(at, '*') == NULL ? NULL : "has a * but no // and so no path to hold it";
    }
    const char *authority = at + 2;
    size_t len = strcspn(authority, "/");
    if (len == 0) {
        return "names no authority after //";
    }
    if (memchr(authority, '*', len) != NULL) {
        return "has a * in the authority: name the trust domain in full";
    }
    return path_problem(authority + len);
}

/* How much of `uri` a star takes; 0 refuses. A segment that a decoder could read as another path
 * (dots, anything percent-encoded) is nothing an operator meant by "any node". */
static size_t star_segment(const char *uri)
{
    size_t len = 0;
    while (is_segment_byte(uri[len])) {
        len++;
    }
    bool whole = uri[len] == '/' || uri[len] == '\0';
    return whole && !is_dot_segment(uri, len) ? len : 0;
}

bool glob_uri_fits(const char *pattern, const char *uri)
{
    for (; *pattern != '\0'; pattern++) {
        size_t taken = 1;
        if (*pattern == '*') {
            taken = star_segment(uri);
        } else if (*pattern != *uri) {
            return false;
        }
        if (taken == 0) {
            return false;
        }
        uri += taken;
    }
    return *uri == '\0';
}

bool glob_uri_matches(const char *pattern, const char *uri)
{
    return glob_uri_problem(pattern) == NULL && glob_uri_fits(pattern, uri);
}

static const char *label_problem(const char *label, size_t len)
{
    if (len == 0) {
        return "has an empty label or a dot at an end";
    }
    if (len > DNS_LABEL_MAX) {
        return "has a label of more than 63 characters";
    }
    if (memchr(label, '*', len) != NULL) {
        return "has a * that is not the whole leftmost label";
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_label_byte(label[i])) {
            return "holds a character that no DNS name has (write other scripts as xn--)";
        }
    }
    if (label[0] == '-' || label[len - 1] == '-') {
        return "has a label with a hyphen at an end";
    }
    return NULL;
}

static bool is_number(const char *label)
{
    while (is_digit(*label)) {
        label++;
    }
    return *label == '\0';
}

const char *glob_dns_problem(const char *pattern)
{
    if (strlen(pattern) > DNS_NAME_MAX) {
        return "is longer than a DNS name can be (253)";
    }

    const char *label = strncmp(pattern, "*.", 2) == 0 ? pattern + 2 : pattern;
    for (;;) {
        size_t len = strcspn(label, ".");
        const char *problem = label_problem(label, len);
        if (problem != NULL) {
            return problem;
        }
        if (label[len] == '\0') {
            return is_number(label) ? "is no DNS name: write addresses under \"ip\"" : NULL;
        }
        label += len + 1;
    }
}

bool glob_dns_fits(const char *pattern, const char *dns)
{
    if (*pattern == '*') {
        size_t len = 0;
        while (is_label_byte(dns[len])) {
            len++;
        }
        if (len == 0) {
            return false;
        }
        pattern++;
        dns += len;
    }
    while (*pattern != '\0' && lower(*pattern) == lower(*dns)) {
        pattern++;
        dns++;
    }
    return *pattern == '\0' && *dns == '\0';
}

bool glob_dns_matches(const char *pattern, const char *dns)
{
    return glob_dns_problem(pattern) == NULL && glob_dns_fits(pattern, dns);
}

bool glob_uri_is_plain(const char *uri)
{
    /* The scheme and the authority are matched byte by byte, though case means nothing in them. */
    const char *path = strstr(uri, "://");
    path = path != NULL ? path + 3 + strcspn(path + 3, "/") : uri + strcspn(uri, ":");
    for (const char *c = uri; c < path; c++) {
        if (*c >= 'A' && *c <= 'Z') {
            return false;
        }
    }
    size_t len = strlen(path);
    bool empty_segment = strstr(path, "//") != NULL || (len > 0 && path[len - 1] == '/');
    return !empty_segment && strpbrk(uri, "%*") == NULL && glob_uri_problem(uri) == NULL;
}

bool glob_dns_is_plain(const char *dns)
{
    return strchr(dns, '*') == NULL && glob_dns_problem(dns) == NULL;
}

/* RFC 5322 atext. */
static bool is_atom_byte(char c)
{
    return is_alpha(c) || is_digit(c) || is_one_of("!#$%&'*+-/=?^_`{|}~", c);
}

static bool is_dot_atom(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool inner_dot = text[i] == '.' && i > 0 && i + 1 < len && text[i + 1] != '.';
        if (!is_atom_byte(text[i]) && !inner_dot) {
            return false;
        }
    }
    return len > 0 && len <= LOCAL_PART_MAX;
}

bool glob_email_is_plain(const char *email)
{
    size_t len = strcspn(email, "@");
    return email[len] == '@' && is_dot_atom(email, len) && glob_dns_is_plain(email + len + 1);
}

const char *glob_email_problem(const char *email)
{
    if (strchr(email, '*') != NULL) {
        return "has a *: addresses are compared whole, there are no patterns";
    }
    return glob_email_is_plain(email)
               ? NULL
               : "is no e-mail address: name@domain, without quotes, comments "
                 "or spaces";
}
