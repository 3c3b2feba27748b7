/* SPDX-License-Identifier: Apache-2.0
 * $GRPC_SSL_CIPHER_SUITES, which gRPC hands to OpenSSL as it is: a NULL suite at security level 0
 * would make connections that nobody encrypts, in silence. */
#ifndef NODEKEY_CIPHER_SUITES_H
#define NODEKEY_CIPHER_SUITES_H

#include "base/auto.h"
#include "nodekey/plugin.h"

/* NK_E_CONFIG: it is set, and no list of full names of suites that are taken. [any] */
MUST_USE nk_status cipher_suites_check(nk_error *err);
/* The suites of TLS 1.2 that gRPC 1.51 hands to OpenSSL: the variable, or gRPC's own list. [any] */
const char *cipher_suites(void);

#endif
