/* SPDX-License-Identifier: Apache-2.0
 * Trust anchors: files of self-signed CA certificates, and nothing else. */
#ifndef NODEKEY_ROOTS_H
#define NODEKEY_ROOTS_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/x509.h>

#include "base/auto.h"
#include "nodekey/plugin.h"

#define ROOTS_FILE_MAX_BYTES ((size_t)1024 * 1024)

#define ROOTS_MAX 256 /* of all files together; a federation has one, or two at its change */
#define ROOTS_NAMESAKES_MAX 4 /* of one name, for their change; a path may have to try them all */

/* [any] Reads every file; each must be a regular file that others cannot write and hold one CA
 * certificate or more. `strict` also asks for keys of 112 bits of security, and for what
 * certificate_form.h says. NK_E_TRUST names the
 * file, the certificate's subject and the cure; or the name that too many roots have, or that there
 * are more than ROOTS_MAX. A root that is expired, not yet valid or, unless `strict`, weak is only
 * logged: the chains it anchors are refused with that reason. NK_E_NOMEM. *ret_roots is owned:
 * sk_X509_pop_free. */
MUST_USE nk_status roots_read(char *const *paths, size_t len, bool strict, const nk_host *host,
                              STACK_OF(X509) **ret_roots, nk_error *err);
/* [any] Whether `certificate` is one of them, byte for byte; false also without memory. `roots` may
 * be NULL. */
MUST_USE bool roots_have(STACK_OF(X509) *roots, const X509 *certificate);

#endif
