/* SPDX-License-Identifier: Apache-2.0
 * The configuration: strict JSON to one struct. Nothing here touches a token or a certificate. */
#ifndef NODEKEY_CONFIG_H
#define NODEKEY_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "hsm.h"
#include "rules/rules.h"
#include "trust/crl.h"

#define CONFIG_MAX_BYTES ((size_t)4 * 1024 * 1024)

enum { OUR_SERVER = 0, OUR_CLIENT = 1, OUR_ROLES = 2 };

/* Who we are in one role: "node" with the role's own object laid over it. Paths are absolute, and
 * all strings owned. */
struct config_identity {
    char *module;              /* absolute path or bare name */
    char *key;                 /* RFC 7512 URI, not yet parsed */
    char *certificate;         /* absolute path, or a pkcs11: URI */
    struct hsm_pin_source pin; /* `fd` is -1 for the other kinds */
    struct hsm_custody custody;
};

/* Else it is a path. */
bool config_is_uri(const char *certificate);

enum server_name_mode { SERVER_NAME_TARGET = 0, SERVER_NAME_RULE = 1 };

struct config {
    struct config_identity identities[OUR_ROLES];
    bool one_identity; /* neither "server" nor "client" overrides anything */
    char **roots;      /* absolute paths */
    size_t roots_len;
    char **crls; /* absolute paths of files and folders */
    size_t crls_len;
    struct crl_settings crl;
    bool strict;
    enum server_name_mode server_name;
    bool all_certified;     /* "admit": "all-certified"; `admit` is then empty */
    struct rule_list admit; /* all three sorted */
    struct rule_list deny;
    struct rule_list admit_candidate;
    bool has_candidate;
    char *state_dir;  /* absolute, or NULL */
    char *audit_file; /* absolute, or NULL */
    unsigned audit_per_peer_per_minute;
    unsigned reload_interval_seconds;
    struct hsm_token_settings token;
    unsigned verify_timeout_ms;
    unsigned lent_threads;
};

/* `base_dir` is absolute; relative paths are relative to it. *ret_config is owned: config_free.
 * NK_E_CONFIG names the member as a path ("admit[0].uri[1]") and its line; NK_E_UNSUPPORTED names a
 * member that this version knows but does not enforce yet. */
MUST_USE nk_status config_parse(const char *text, const char *base_dir, struct config **ret_config,
                                nk_error *err);
/* Reads the file (opened once, at most CONFIG_MAX_BYTES), then config_parse with its folder. */
MUST_USE nk_status config_read(const char *path, struct config **ret_config, nk_error *err);
void config_free(struct config *config);
/* The key of one role, without host and sibling; borrows from `config`. */
struct hsm_key_request config_key_request(const struct config *config, int role);

#endif
