/* SPDX-License-Identifier: Apache-2.0
 * The walk through all settings of the table, each with its place in a struct config. */
#ifndef NODEKEY_CONFIG_WALK_H
#define NODEKEY_CONFIG_WALK_H

#include "config/config_members.h"
#include "config/settings.h"

struct setting {
    const struct member *object; /* that holds it; NULL: the document itself */
    const struct member *row;
    size_t at; /* in struct config */
};
/* The walk calls `visit` for each kept setting. Once that returns false, so does the walk. */
typedef bool setting_visit(const struct setting *setting, void *arg);
bool walk_settings(setting_visit *visit, void *arg);
/* The path of a setting: "token.max_sessions". Of a role it is "node.module", as errors call it. */
void walk_path(const struct setting *setting, char *path, size_t room);

/* All settings of a checked document are read into a zeroed config. On failure, too, walk_clear
 * frees what is there. */
MUST_USE nk_status walk_read(const json_t *root, const struct place *document,
                             struct config *config, nk_error *err);
void walk_clear(struct config *config);

#endif
