/* SPDX-License-Identifier: Apache-2.0
 * `nodekey csr --verify`: what a request asks its CA for. */
#ifndef NODEKEY_CLI_VERIFY_H
#define NODEKEY_CLI_VERIFY_H

#include <stdbool.h>

#include "cli/cli.h"

/* Prints what the request in the file asks for; "-" is standard input. CLI_FAILED: it is no
 * request, or asks for what a node does not need; each such thing is a line on stderr. [one] */
enum cli_exit verify_request(const char *path, bool json);

#endif
