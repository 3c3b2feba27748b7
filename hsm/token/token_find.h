/* SPDX-License-Identifier: Apache-2.0
 * From a URI to exactly one token of a module. */
#ifndef NODEKEY_TOKEN_FIND_H
#define NODEKEY_TOKEN_FIND_H

#include "module/module.h"
#include "module/token_name.h"
#include "module/uri.h"

/* SoftHSM hides a token while another process writes into it, as each login does, and keeps it
 * hidden until it is initialised again. An open looks for a token so often before the token counts
 * as absent, with a pause before each look but the first. */
#define TOKEN_LOOKS 6
void token_find_pause(unsigned look); /* [any] */

/* `member` is what texts call the URI, such as "node.key". A module that has gone stale, or does
 * not see a token that came later, is initialised again. NK_E_CONFIG: several fit. NK_E_TOKEN:
 * none does, with what the module was told. NK_E_NOMEM. [any], not inside a use of the module */
MUST_USE nk_status token_find(struct module *module, P11KitUri *uri, const char *uri_text,
                              const char *member, struct token_name *ret_name, nk_error *err);

#endif
