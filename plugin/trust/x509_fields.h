/* SPDX-License-Identifier: Apache-2.0
 * Fields of certificates and CRLs as plain C. */
#ifndef NODEKEY_X509_FIELDS_H
#define NODEKEY_X509_FIELDS_H

#include <stddef.h>
#include <time.h>

#include <openssl/x509.h>

/* [any] A name as one line of printable ASCII, RFC 2253 order, whoever wrote it. */
void x509_name_text(const X509_NAME *name, char *text, size_t room);
/* [any] `date` as decoded with its X509 or X509_CRL; NULL is allowed. (time_t)-1: none, or not in
 * the grammar. */
time_t x509_time(const ASN1_TIME *date);

#endif
