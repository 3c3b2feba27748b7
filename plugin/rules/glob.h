/* SPDX-License-Identifier: Apache-2.0
 * The patterns of `uri` and `dns`, and addresses of `email`, which has none. Pure. */
#ifndef NODEKEY_GLOB_H
#define NODEKEY_GLOB_H

#include <stdbool.h>

/* NULL: inside the grammar. Else what is wrong, to follow the pattern in a sentence. */
const char *glob_uri_problem(const char *pattern);
const char *glob_dns_problem(const char *pattern);
const char *glob_email_problem(const char *email); /* a * is one */

/* The same of a DNS name in a certificate, where a star and a dot at the end are in use. */
const char *glob_dns_name_problem(const char *dns);

/* Is a name spelled as a pattern without star would have to be? Then no other plain name of its
 * kind means the same. */
bool glob_uri_is_plain(const char *uri);
bool glob_dns_is_plain(const char *dns);
bool glob_email_is_plain(const char *email);

/* The glob grammar of the README: one whole leftmost DNS label, or one whole URI path segment. A
 * pattern outside of it matches nothing. */
bool glob_uri_matches(const char *pattern, const char *uri);
bool glob_dns_matches(const char *pattern, const char *dns);
/* For patterns that have no problem: thousands are compared per handshake. */
bool glob_uri_fits(const char *pattern, const char *uri);
bool glob_dns_fits(const char *pattern, const char *dns);

#endif
