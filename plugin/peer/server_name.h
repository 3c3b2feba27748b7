/* SPDX-License-Identifier: Apache-2.0
 * Dialled name against a server's certificate: RFC 6125, subjectAltName only. */
#ifndef NODEKEY_SERVER_NAME_H
#define NODEKEY_SERVER_NAME_H

#include <openssl/x509.h>

/* [any] `target` is a DNS name or an address, IPv6 with or without brackets, without port.
 * 1: the certificate carries it. 0: it does not. -1: OpenSSL failed. */
int server_name_fits(X509 *leaf, const char *target);

#endif
