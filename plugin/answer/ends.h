/* SPDX-License-Identifier: Apache-2.0
 * Until when certificates hold, as JSON; as words it is text_until of base/text.h. */
#ifndef NODEKEY_ENDS_H
#define NODEKEY_ENDS_H

#include <time.h>

#include <jansson.h>
#include <openssl/x509.h>

/* RFC 3339, or null for -1: what cannot be read. Owned: json_decref; NULL: no memory. [any] */
json_t *ends_json(time_t not_after);
/* Back from there; -1: null, or none. [any] */
time_t ends_read(const json_t *not_after);
/* "subject" and "not_after" of each certificate, leaf first. Owned: json_decref; NULL: no memory.
 * [any] */
json_t *ends_of_chain(X509 *leaf, STACK_OF(X509) *others);

#endif
