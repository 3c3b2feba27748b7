/* SPDX-License-Identifier: Apache-2.0
 * URIs are compared byte by byte, so every URI that RFC 3986 and the schemes' own rules would call
 * equal to another one has to be spelled in one way only, or is refused. */
#include "rules/glob.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/auto.h"
#include "base/text.h"
#include "rules/address.h"
#include "rules/glob_bytes.h"

#define HOST_MAX 255 /* of a SPIFFE trust domain */
#define PORT_DIGITS_MAX 5
#define PORT_MAX 65535

/* RFC 3986 pchar without percent-encoding and the star, which is ours. */
static bool is_segment_byte(char c)
{
    return is_alpha(c) || is_digit(c) || is_one_of("-._~!$&'()+,;=:@", c);
}

static bool has_upper(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (is_upper(text[i])) {
            return true;
        }
    }
    return false;
}

static bool has_text(const char *text, size_t len, const char *want)
{
    return strlen(want) == len && memcmp(text, want, len) == 0;
}

/* --- the host and the port --- */

static const char *ipv6_problem(const char *text, size_t len)
{
    char spelled[INET6_ADDRSTRLEN] = "";
    char canonical[INET6_ADDRSTRLEN] = "";
    uint8_t address[ADDRESS_IPV6_BYTES];

    if (len < sizeof(spelled)) {
        memcpy(spelled, text, len);
    }
    if (inet_pton(AF_INET6, spelled, address) != 1) {
        return "has brackets around something else than an IPv6 address";
    }
    if (address_hides_ipv4(address)) {
        return "has an IPv4 address written as IPv6";
    }
    if (inet_ntop(AF_INET6, address, canonical, sizeof(canonical)) == NULL ||
        strcmp(spelled, canonical) != 0) {
        return "has an IPv6 address that is not in RFC 5952 form, such as [2001:db8::1]";
    }
    return NULL;
}

/* Hosts that some readers take for an IPv4 address: 10.1, 0x0a000001, 167772161. */
static bool ends_in_number(const char *host)
{
    const char *dot = strrchr(host, '.');
    const char *label = dot != NULL ? dot + 1 : host;
    bool hex = strncmp(label, "0x", 2) == 0;

    return hex ? label[2 + strspn(label + 2, "0123456789abcdef")] == '\0'
               : label[strspn(label, "0123456789")] == '\0';
}

static const char *host_problem(const char *text, size_t len)
{
    char host[HOST_MAX + 1] = "";
    uint8_t address[4];

    if (len == 0 || len > HOST_MAX) {
        return "has an authority without a host, or with one of more than 255 characters";
    }
    memcpy(host, text, len);
    for (size_t i = 0; i < len; i++) {
        bool inner_dot = host[i] == '.' && i > 0 && host[i + 1] != '.' && host[i + 1] != '\0';
        if (!is_label_byte(host[i]) && host[i] != '~' && !inner_dot) {
            return "has an authority that is neither a host name (without a dot at an end) nor an "
                   "address";
        }
    }
    if (ends_in_number(host) && inet_pton(AF_INET, host, address) != 1) {
        return "has a host that ends in a number, but is no IPv4 address of four plain numbers";
    }
    return NULL;
}

static const char *port_problem(const char *scheme, size_t scheme_len, const char *port, size_t len)
{
    static const struct {
        const char *scheme;
        const char *port;
    } own[] = { { "http", "80" }, { "https", "443" }, { "ws", "80" },    { "wss", "443" },
                { "ftp", "21" },  { "ldap", "389" },  { "ldaps", "636" } };
    size_t digits = 0;

    while (digits < len && is_digit(port[digits])) {
        digits++;
    }
    if (digits == 0 || digits != len || digits > PORT_DIGITS_MAX || port[0] == '0' ||
        strtol(port, NULL, 10) > PORT_MAX) {
        return "has a port that is no plain number from 1 to 65535";
    }
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        if (has_text(scheme, scheme_len, own[i].scheme) && has_text(port, len, own[i].port)) {
            return "spells out the port that its scheme means anyway: leave it out";
        }
    }
    return NULL;
}

static const char *authority_problem(const char *scheme, size_t scheme_len, const char *authority,
                                     size_t len)
{
    if (len == 0) {
        return "names no authority after //";
    }
    if (memchr(authority, '*', len) != NULL) {
        return "has a * in the authority: name the trust domain in full";
    }
    if (has_upper(authority, len)) {
        return "has an upper-case letter in the authority, where case means nothing: write it in "
               "lower case";
    }
    if (memchr(authority, '@', len) != NULL) {
        return "names a user before the host, which no rule compares";
    }

    bool bracketed = authority[0] == '[';
    const char *end = memchr(authority, bracketed ? ']' : ':', len);
    size_t host_len = end != NULL ? (size_t)(end - authority) + bracketed : len;
    const char *problem = bracketed && end != NULL ? ipv6_problem(authority + 1, host_len - 2)
                                                   : host_problem(authority, host_len);
    if (problem != NULL || host_len == len) {
        return problem;
    }
    return authority[host_len] == ':'
               ? port_problem(scheme, scheme_len, authority + host_len + 1, len - host_len - 1)
               : "has something else than a port after the address";
}

/* --- the path --- */

static bool is_dot_segment(const char *segment, size_t len)
{
    return has_text(segment, len, ".") || has_text(segment, len, "..");
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

/* --- without // --- */

/* The part of `rest` in which case means nothing under this scheme; its length is 0: none. */
static const char *caseless_part(const char *scheme, size_t scheme_len, const char *rest,
                                 size_t *ret_len)
{
    const char *host = strrchr(rest, '@');

    *ret_len = 0;
    if (has_text(scheme, scheme_len, "urn")) { /* RFC 8141 3.1; of UUIDs RFC 4122 section 3 */
        *ret_len = strncmp(rest, "uuid:", 5) == 0 ? strlen(rest) : strcspn(rest, ":");
    } else if (has_text(scheme, scheme_len, "sip") || has_text(scheme, scheme_len, "sips") ||
               has_text(scheme, scheme_len, "mailto")) {
        rest = host != NULL ? host : rest;
        *ret_len = strlen(rest);
    }
    return rest;
}

static const char *opaque_problem(const char *scheme, size_t scheme_len, const char *rest)
{
    size_t caseless_len = 0;
    const char *caseless = caseless_part(scheme, scheme_len, rest, &caseless_len);
    size_t first = strcspn(rest, "/");

    if (strchr(rest, '*') != NULL) {
        return "has a * but no // and so no path to hold it";
    }
    if (has_upper(caseless, caseless_len)) {
        return "has an upper-case letter where case means nothing: write it in lower case";
    }
    return is_dot_segment(rest, first) ? "has a path segment . or .." : path_problem(rest + first);
}

/* --- the whole --- */

static const char *percent_problem(const char *at)
{
    if (!is_hex(at[1]) || !is_hex(at[2])) {
        return "holds a percent sign without two hexadecimal digits";
    }
    char meant = (char)(OPENSSL_hexchar2int(at[1]) << 4 | OPENSSL_hexchar2int(at[2]));
    return is_alpha(meant) || is_digit(meant) || is_one_of("-._~", meant)
               ? "holds a percent-encoded letter, digit or -._~: write the character itself"
               : NULL;
}

static const char *byte_problem(const char *at)
{
    if (text_span(at, 1, TEXT_VISIBLE) == 0) {
        return "holds a space, a control character or a non-ASCII byte";
    }
    if (*at == '?' || *at == '#') {
        return "holds a query or a fragment, which no rule compares";
    }
    if (is_one_of("\"<>\\^`{|}", *at)) {
        return "holds a character that no URI has";
    }
    return *at == '%' ? percent_problem(at) : NULL;
}

const char *glob_uri_problem(const char *pattern)
{
    for (const char *at = pattern; *at != '\0'; at++) {
        const char *problem = byte_problem(at);
        if (problem != NULL) {
            return problem;
        }
    }

    size_t scheme = 0;
    while (is_alpha(pattern[scheme]) ||
           (scheme > 0 && (is_digit(pattern[scheme]) || is_one_of("+-.", pattern[scheme])))) {
        scheme++;
    }
    if (scheme == 0 || pattern[scheme] != ':' || pattern[scheme + 1] == '\0') {
        return "does not begin with a scheme and what it names, such as spiffe://federation/node";
    }
    if (has_upper(pattern, scheme)) {
        return "has an upper-case letter in the scheme: write it in lower case";
    }

    const char *rest = pattern + scheme + 1;
    if (strncmp(rest, "//", 2) != 0) {
        return opaque_problem(pattern, scheme, rest);
    }
    const char *authority = rest + 2;
    size_t len = strcspn(authority, "/");
    const char *problem = authority_problem(pattern, scheme, authority, len);
    if (problem == NULL && strcmp(authority + len, "/") == 0) {
        return "has a slash and nothing behind it, which means the same as no slash: leave it out";
    }
    return problem != NULL ? problem : path_problem(authority + len);
}

bool glob_uri_is_plain(const char *uri)
{
    if (strpbrk(uri, "%*") != NULL || glob_uri_problem(uri) != NULL) {
        return false;
    }
    const char *rest = strchr(uri, ':') + 1;
    rest += strncmp(rest, "//", 2) == 0 ? 2 : 0;
    return strstr(rest, "//") == NULL && rest[strlen(rest) - 1] != '/';
}

/* --- matching --- */

/* The length of what a star takes of `uri`; 0: nothing. A segment that a decoder could read as
 * another path (dots, anything percent-encoded) is nothing an operator meant by "any node". */
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
