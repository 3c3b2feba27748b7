/* SPDX-License-Identifier: Apache-2.0
 * On what terms nodekey-provider.so opens keys: our section of openssl.cnf says it, or names the
 * node's configuration file. */
#ifndef NODEKEY_PROVIDER_CONFIG_H
#define NODEKEY_PROVIDER_CONFIG_H

#include "hsm.h"

struct provider;

struct provider_terms { /* as in struct hsm_key_request; strings are owned */
    char *module;
    enum hsm_pin_kind pin_kind;
    char *pin_where;
    bool allow_extractable;
    bool allow_imported;
    bool require_hardware;
    unsigned max_sessions;
    unsigned max_waiting_inbound;
    unsigned login_timeout_ms;
    unsigned sign_timeout_ms;
    char *state_dir;
};

/* All words of the section, to tell one from another. Owned: free. NULL: out of memory. */
MUST_USE char *provider_section(const struct provider *provider);
/* For the key that `uri` names. NK_E_CONFIG names the word. *ret_terms is owned:
 * provider_terms_free. */
MUST_USE nk_status provider_terms_read(const struct provider *provider, const char *uri,
                                       struct provider_terms **ret_terms, nk_error *err);
/* NULL is allowed. */
void provider_terms_free(struct provider_terms *terms);
/* hsm/ speaks as to the writer of a node's configuration; the same in the words of the section. */
void provider_terms_words(const struct provider *provider, const char *text, char *out,
                          size_t room);

#endif
