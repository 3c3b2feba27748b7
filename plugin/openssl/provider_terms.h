/* SPDX-License-Identifier: Apache-2.0
 * Terms for nodekey-provider.so, from a node's configuration. The whole document is checked, as for
 * a node: one that does not start is no good for other programs either. */
#ifndef NODEKEY_PROVIDER_TERMS_H
#define NODEKEY_PROVIDER_TERMS_H

#include "base/auto.h"
#include "nodekey/plugin.h"

struct provider_terms;

/* The module, PIN source and limits of the role that has this key; for other keys of the token the
 * server's, since servers are what loads keys through OpenSSL. NK_E_CONFIG, or NK_E_PIN for a PIN
 * that only a node can be given. Fills in zeroed terms, whose strings are owned. */
MUST_USE nk_status provider_terms_from_file(const char *path, const char *uri,
                                            struct provider_terms *terms, nk_error *err);

#endif
