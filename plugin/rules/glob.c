/* SPDX-License-Identifier: Apache-2.0
 * DNS names and e-mail addresses; URIs are in glob_uri.c. */
#include "rules/glob.h"

#include <stddef.h>
#include <string.h>

#include "rules/glob_bytes.h"

#define DNS_NAME_MAX 253
#define DNS_LABEL_MAX 63
#define LOCAL_PART_MAX 64
#define TOO_LONG "is longer than a DNS name can be (253)"

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

static const char *labels_problem(const char *label, const char *end)
{
    for (;;) {
        const char *dot = memchr(label, '.', (size_t)(end - label));
        const char *problem = label_problem(label, (size_t)((dot != NULL ? dot : end) - label));
        if (problem != NULL || dot == NULL) {
            return problem;
        }
        label = dot + 1;
    }
}

static const char *without_star(const char *dns)
{
    return strncmp(dns, "*.", 2) == 0 ? dns + 2 : dns;
}

const char *glob_dns_problem(const char *pattern)
{
    size_t len = strlen(pattern);
    if (len > DNS_NAME_MAX) {
        return TOO_LONG;
    }

    const char *labels = without_star(pattern);
    const char *problem = labels_problem(labels, pattern + len);
    if (problem != NULL) {
        return problem;
    }
    const char *dot = strrchr(labels, '.');
    return is_number(dot != NULL ? dot + 1 : labels)
               ? "is no DNS name: write addresses under \"ip\""
               : NULL;
}

const char *glob_dns_name_problem(const char *dns)
{
    size_t len = strlen(dns);
    if (len > 1 && dns[len - 1] == '.') {
        len--;
    }
    if (len > DNS_NAME_MAX) {
        return TOO_LONG;
    }
    return len == 1 && dns[0] == '*' ? NULL : labels_problem(without_star(dns), dns + len);
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
