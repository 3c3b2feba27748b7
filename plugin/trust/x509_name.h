/* SPDX-License-Identifier: Apache-2.0
 * Names of certificates and CRLs as text; times are in base/text.h. */
#ifndef NODEKEY_X509_NAME_H
#define NODEKEY_X509_NAME_H

#include <stddef.h>

#include <openssl/x509.h>

/* [any] A name as one line of printable ASCII, RFC 2253 order, whoever wrote it. */
void x509_name_text(const X509_NAME *name, char *text, size_t room);

#endif
