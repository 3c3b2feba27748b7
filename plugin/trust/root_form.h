/* SPDX-License-Identifier: Apache-2.0
 * Extensions of a root that OpenSSL, or federation.strict, would stumble over in each chain below
 * it. */
#ifndef NODEKEY_ROOT_FORM_H
#define NODEKEY_ROOT_FORM_H

#include <stdbool.h>

#include <openssl/x509.h>

/* [any] Whether a critical extension is one that OpenSSL does not handle, key identifiers
 * excepted: they constrain nothing (RFC 5280 4.2.1.1, 4.2.1.2). */
bool root_form_has_unknown_critical(const X509 *root);
/* [any] Reason why every chain below the root would be refused, with the cure, to go on from
 * "certificate"; static. NULL: none. `root` is self-signed and a CA, its extensions decoded. */
const char *root_form_problem(X509 *root, bool strict);

#endif
