/* SPDX-License-Identifier: Apache-2.0
 * Dialled name against a server's certificate: RFC 6125, subjectAltName only. gRPC 1.51 compares
 * the host of each call once more, as text: what it would refuse there is refused here. */
#ifndef NODEKEY_SERVER_NAME_H
#define NODEKEY_SERVER_NAME_H

#include <openssl/x509.h>

#define SERVER_NAME_ADDRESS_BYTES 46 /* INET6_ADDRSTRLEN */

/* [any] `target` is a DNS name, absolute or not, or an address, IPv6 with or without brackets and
 * zone, without port. 1: the certificate carries it. 0: it does not, or carries an address that
 * gRPC knows by another spelling only, which is then in `spelling`, else "". -1: OpenSSL failed. */
int server_name_fits(X509 *leaf, const char *target, char spelling[SERVER_NAME_ADDRESS_BYTES]);

#endif
