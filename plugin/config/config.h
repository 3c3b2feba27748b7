/* SPDX-License-Identifier: Apache-2.0
 * The configuration: strict JSON to one struct. Nothing here touches a token or a certificate. */
#ifndef NODEKEY_CONFIG_H
#define NODEKEY_CONFIG_H

#include "base/auto.h"
#include "config/json_lines.h"
#include "config/settings.h"

#define CONFIG_MAX_BYTES ((size_t)4 * 1024 * 1024)
#define CONFIG_PATH_BYTES 64

/* `base_dir` is absolute; relative paths are relative to it. *ret_config is owned: config_free.
 * NK_E_CONFIG names the member as a path ("admit[0].uri[1]") and its line; NK_E_UNSUPPORTED names a
 * member that this version knows but does not enforce yet. */
MUST_USE nk_status config_parse(const char *text, const char *base_dir, struct config **ret_config,
                                nk_error *err);
/* Likewise from a file, opened once, of at most CONFIG_MAX_BYTES; base_dir is its folder. */
MUST_USE nk_status config_read(const char *path, struct config **ret_config, nk_error *err);
/* Likewise, for whoever wants to know all faults and starts no node with it: each is told to
 * `faults`, and *ret_config, if one is left, is as if the members at fault were absent. A status
 * without a text: none is left, as `faults` has been told. */
MUST_USE nk_status config_examine(const char *path, struct json_faults *faults,
                                  struct config **ret_config, nk_error *err);
void config_free(struct config *config);
DEFINE_AUTO(struct config *, config_free);
/* The key of one role, without host and sibling; borrows from `config`. */
struct hsm_key_request config_key_request(const struct config *config, int role);
/* Whether both roles have one PIN source: a PIN that can be had only once (fd, prompt) is not to be
 * asked for again. */
bool config_shares_pin(const struct config *config);

/* Settings that take effect at the next start only are kept: `fresh` gets them from `current`, and
 * gives its own, so that the next reload compares with what is in force. True if they differ:
 * `path` names the first, such as "token.max_sessions". */
bool config_keep(struct config *fresh, struct config *current, char path[CONFIG_PATH_BYTES]);

#endif
