/* SPDX-License-Identifier: Apache-2.0
 * The tokens that a module shows, through pkcs11-helper. The helper is only a list here: it never
 * logs in, opens a key or signs, since it would log out our sessions on any error of its own.
 *
 * There is one helper per process, and its initialisation wipes what an earlier one made: a host
 * that uses pkcs11-helper for itself must start it after the first `open`. */
#ifndef NODEKEY_DISCOVERY_H
#define NODEKEY_DISCOVERY_H

#include "module/module.h"
#include "module/token_name.h"

struct token_names {
    struct token_name *names;
    size_t len;
};

/* NK_E_TOKEN: the module does not answer. NK_E_NOMEM. *ret_names is owned: token_names_clear.
 * [any], not inside a use of the module */
MUST_USE nk_status discovery_tokens(struct module *module, struct token_names *ret_names,
                                    nk_error *err);
void token_names_clear(struct token_names *names);
/* Their URIs with serials, as many as fit, each whole, so that it can be pasted; "none". [any] */
void token_names_join(const struct token_names *names, char *text, size_t room);

#endif
