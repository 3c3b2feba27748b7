/* SPDX-License-Identifier: Apache-2.0
 * Fields of certificates and CRLs as plain C; times are in base/text.h. */
#ifndef NODEKEY_X509_FIELDS_H
#define NODEKEY_X509_FIELDS_H

#include <stddef.h>

#include <openssl/x509.h>

/* [any] A name as one line of printable ASCII, RFC 2253 order, whoever wrote it. */
void x509_name_text(const X509_NAME *name, char *text, size_t room);

#endif
