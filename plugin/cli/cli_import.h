/* SPDX-License-Identifier: Apache-2.0
 * The certificates that `nodekey import` is given. */
#ifndef NODEKEY_CLI_IMPORT_H
#define NODEKEY_CLI_IMPORT_H

#include <openssl/x509.h>

#include "base/auto.h"
#include "judge/own_chain.h"
#include "nodekey/plugin.h"

/* Appends the certificates of the file to `all`; "-" is standard input. NK_E_IDENTITY: there is
 * none, or there is something else, such as a private key. */
MUST_USE nk_status chain_file_read(const char *path, STACK_OF(X509) *all, nk_error *err);
/* Moves what belongs into the node's file out of `all`: the certificate for `key`, and all that are
 * not self-signed. `key` NULL: the token does not tell its public half, so the first is taken, and
 * must prove itself by signing. NK_E_IDENTITY: none is for the key. */
MUST_USE nk_status chain_file_sort(STACK_OF(X509) *all, EVP_PKEY *key, const char *path,
                                   struct own_chain *chain, nk_error *err);

#endif
