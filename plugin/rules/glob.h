/* SPDX-License-Identifier: Apache-2.0
 * The patterns of `uri` and `dns`, and addresses of `email`, which has none. Pure. */
#ifndef NODEKEY_GLOB_H
#define NODEKEY_GLOB_H

#include <stdbool.h>

/* Problems of a pattern, worded to follow it in a sentence; NULL: it is inside the grammar. */
const char *glob_uri_problem(const char *pattern);
const char *glob_dns_problem(const char *pattern);
const char *glob_email_problem(const char *email); /* a star is one */

/* Likewise of a DNS name in a certificate, where a star and a dot at the end are in use. */
const char *glob_dns_name_problem(const char *dns);

/* Whether a name is spelled as a pattern without star would have to be: then no other plain name of
 * its kind means the same. */
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
