/* SPDX-License-Identifier: Apache-2.0
 * Terms on which nodekey-provider.so opens keys: from our section of openssl.cnf, or from the
 * node's configuration file that it names. */
#ifndef NODEKEY_PROVIDER_CONFIG_H
#define NODEKEY_PROVIDER_CONFIG_H

#include "hsm.h"

struct provider;

/* The strings of the request are owned, but for its URI; its host is absent. */
struct provider_terms {
    struct hsm_key_request request;
};

/* All words of the section, to tell one from another. Owned: free. NULL: out of memory. */
MUST_USE char *provider_section(const struct provider *provider);
/* For the key that `uri` names. NK_E_CONFIG names the word. *ret_terms is owned:
 * provider_terms_free. */
MUST_USE nk_status provider_terms_read(const struct provider *provider, const char *uri,
                                       struct provider_terms **ret_terms, nk_error *err);
/* NULL is allowed. */
void provider_terms_free(struct provider_terms *terms);
DEFINE_AUTO(struct provider_terms *, provider_terms_free);

#endif
