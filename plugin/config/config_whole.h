/* SPDX-License-Identifier: Apache-2.0
 * The sense of the configuration's members together, which no single one of them can show. */
#ifndef NODEKEY_CONFIG_WHOLE_H
#define NODEKEY_CONFIG_WHOLE_H

#include <jansson.h>

#include "base/auto.h"
#include "config/json_lines.h"

/* A check for a document that passed members_check. */
MUST_USE nk_status whole_check(const json_t *root, const struct place *document, nk_error *err);

#endif
