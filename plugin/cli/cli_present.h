/* SPDX-License-Identifier: Apache-2.0
 * The certificate that the node has by now: whose names a renewal asks for. */
#ifndef NODEKEY_CLI_PRESENT_H
#define NODEKEY_CLI_PRESENT_H

#include <openssl/x509v3.h>

#include "cli/cli_ours.h"

/* The leaf at node.certificate, in its file or on its token, which is read without login.
 * *ret_leaf is owned, X509_free; NULL: there is no such file yet. NK_E_IDENTITY: there is one, and
 * the node would not read it. Else the errors of hsm_certificates. */
MUST_USE nk_status present_read(const struct ours *ours, X509 **ret_leaf, nk_error *err);
/* Appends the alternative names of the present certificate to `names`, says so on stderr, and hands
 * out the leaf, whose subject is the rest of them. NK_E_USAGE: there is no such certificate.
 * NK_E_IDENTITY: it cannot be read, has no such names, or has some that peers refuse. The texts
 * name the cure. */
MUST_USE nk_status present_take_names(const struct ours *ours, GENERAL_NAMES *names,
                                      X509 **ret_leaf, nk_error *err);

#endif
