/* SPDX-License-Identifier: Apache-2.0
 * The keys that this process has opened by their URIs. */
#ifndef NODEKEY_URI_KEYS_H
#define NODEKEY_URI_KEYS_H

#include "provider/provider_context.h"

/* The key that the URI names, opened at first use and kept for the life of the process, as is its
 * token. With `look` the token is asked whether it still holds that key; when it does not answer,
 * what was opened before is good. Has raised when NULL. A new reference. [any] */
MUST_USE struct hsm_key *uri_key(struct provider *provider, const char *uri, bool look);
/* One sentence from hsm/ to OpenSSL's queue, in the words of our section. Always 0. */
int uri_raise(struct provider *provider, const nk_error *err);
/* Raises what a host's log would have said of this thread's last signature that failed, if
 * anything. */
void uri_raise_failure(const struct provider *provider);

#endif
