/* SPDX-License-Identifier: Apache-2.0
 * Bytes, digests and moments as text that a log, a terminal and JSON take alike. All [any]. */
#ifndef NODEKEY_TEXT_H
#define NODEKEY_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include <openssl/asn1.h>

/* Kinds of bytes. The host's locale has no say in them, as it would have in isprint. */
enum text_kind {
    TEXT_VISIBLE,   /* ASCII without the space and control characters */
    TEXT_PRINTABLE, /* the space, too */
    TEXT_ONE_LINE,  /* beyond ASCII, too: UTF-8 without characters that control how it is shown */
};

/* How many bytes at the beginning are of the kind; after strspn. */
size_t text_span(const void *bytes, size_t len, enum text_kind kind);
/* Whether all are; "" is of every kind. */
bool text_is(const char *text, enum text_kind kind);
/* Other bytes become '?', each. */
void text_flatten(char *text, size_t len, enum text_kind kind);

/* Bytes beyond TEXT_PRINTABLE, and the backslash, as \\xNN: a log shows no letter that looks like
 * another. Cut before what would not fit whole. Returns `out`. */
const char *text_escape(char *out, size_t room, const char *text);

/* 2 * len lower-case digits and a NUL. (OPENSSL_buf2hexstr_ex writes upper case and may fail.) */
#define TEXT_HEX_BYTES(len) (2 * (size_t)(len) + 1)
const char *text_hex(char *text, const void *bytes, size_t len);

/* RFC 3339 in UTC and whole seconds; "?" for -1. Returns `text`. */
#define TEXT_TIME_BYTES 32
const char *text_time(char text[TEXT_TIME_BYTES], time_t at);
/* The end of a certificate or a list, for people: "until 2027-02-23T01:29:00Z (31 days left)",
 * "until 2027-02-23T01:29:00Z (RAN OUT 3 hours ago)". Returns `text`. */
#define TEXT_UNTIL_BYTES 96
const char *text_until(char text[TEXT_UNTIL_BYTES], time_t end, time_t now);
/* `date` as decoded with its X509 or X509_CRL; NULL is allowed. -1: none, or not in the grammar. */
time_t text_read_time(const ASN1_TIME *date);
/* Before 0: `date` is now or was earlier; after 0: it is yet to come; 0: not in the grammar. */
int text_compare_to_now(const ASN1_TIME *date);

#endif
