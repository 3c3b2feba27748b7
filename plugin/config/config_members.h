/* SPDX-License-Identifier: Apache-2.0
 * Every member of the configuration in one table: its name, its type, its range, and whether this
 * version enforces it. */
#ifndef NODEKEY_CONFIG_MEMBERS_H
#define NODEKEY_CONFIG_MEMBERS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/auto.h"
#include "config/json_lines.h"

#define ALL_CERTIFIED "all-certified"

/* Checks the whole document against the table. After NK_OK each member that is present has the
 * type that the readers below expect. `document` is the place of the root. */
MUST_USE nk_status members_check(const json_t *root, const struct place *document, nk_error *err);

/* Of a role's object, else of "node": "server" and "client" override single members. */
const json_t *members_pick(const json_t *root, const char *role, const char *name);
/* For a checked document; an absent member or object gives NULL or `absent`. Borrowed. */
const char *members_text(const json_t *object, const char *name);
bool members_flag(const json_t *object, const char *name, bool absent);
unsigned members_number(const json_t *object, const char *name, unsigned absent);

#endif
