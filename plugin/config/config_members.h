/* SPDX-License-Identifier: Apache-2.0
 * The table of all members of the configuration: each has its name, its type, its range, what its
 * absence means, where it lies in struct config, and when a changed one takes effect. */
#ifndef NODEKEY_CONFIG_MEMBERS_H
#define NODEKEY_CONFIG_MEMBERS_H

#include "config/config_types.h"

extern const struct member config_members[]; /* of the document */

/* The whole document is checked against the table. After NK_OK each member that is present has the
 * type that the readers expect. `document` is the place of the root. */
MUST_USE nk_status members_check(const json_t *root, const struct place *document, nk_error *err);

/* The member of a role's object, else of "node": "server" and "client" override single members. */
const json_t *members_pick(const json_t *root, const char *role, const char *name);
bool members_same_pin(const void *a, const void *b); /* two struct hsm_pin_source */
/* The text of a member of a checked object; NULL: one of the two is absent. Borrowed. */
const char *members_text(const json_t *object, const char *name);

#endif
