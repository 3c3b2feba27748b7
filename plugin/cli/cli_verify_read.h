/* SPDX-License-Identifier: Apache-2.0
 * The one request in a file that somebody sent. */
#ifndef NODEKEY_CLI_VERIFY_READ_H
#define NODEKEY_CLI_VERIFY_READ_H

#include <openssl/x509.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

/* PEM or DER; "-" is standard input. *ret_request is owned: X509_REQ_free. NK_E_IDENTITY: it cannot
 * be read, or is not one request and nothing else. */
MUST_USE nk_status request_read(const char *path, X509_REQ **ret_request, nk_error *err);

#endif
