/* SPDX-License-Identifier: Apache-2.0
 * Certificates that lie on a token, read on this thread. */
#ifndef NODEKEY_CERTIFICATE_READ_H
#define NODEKEY_CERTIFICATE_READ_H

#include <openssl/x509.h>

#include "module/module.h"
#include "module/uri.h"

/* Pushes the certificate that the URI names, then its issuers, onto `chain`, which is empty.
 * *ret_absent: the token did not show, which it may at the next look. Not inside a use of the
 * module. */
MUST_USE nk_status certificate_read(struct module *module, P11KitUri *uri, const char *text,
                                    STACK_OF(X509) *chain, bool *ret_absent, nk_error *err);

#endif
