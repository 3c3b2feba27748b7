/* SPDX-License-Identifier: Apache-2.0
 * Does a server's certificate carry the name that was dialled? RFC 6125, subjectAltName only. */
#ifndef NODEKEY_SERVER_NAME_H
#define NODEKEY_SERVER_NAME_H

#include <openssl/x509.h>

/* `target` is a DNS name or an address, IPv6 with or without brackets, without port.
 * 1: it does. 0: it does not. -1: OpenSSL failed. */
int server_name_fits(X509 *leaf, const char *target);

#endif
