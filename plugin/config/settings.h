/* SPDX-License-Identifier: Apache-2.0
 * Structs of what a configuration says: the rows of config_members.c put it there. */
#ifndef NODEKEY_SETTINGS_H
#define NODEKEY_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "hsm.h"
#include "rules/rules.h"
#include "trust/crl.h"

enum { OUR_SERVER = 0, OUR_CLIENT = 1, OUR_ROLES = 2 };

/* Our identity in one role: "node" with the role's own object laid over it. Paths are absolute, and
 * all strings owned. */
struct config_identity {
    char *module;              /* absolute path or bare name */
    char *key;                 /* RFC 7512 URI, not yet parsed */
    char *certificate;         /* absolute path, or a pkcs11: URI */
    struct hsm_pin_source pin; /* `fd` is -1 for the other kinds */
    struct hsm_custody custody;
};

/* Whether this certificate is on a token; else it is a path. */
static inline bool config_is_uri(const char *certificate)
{
    return strncasecmp(certificate, "pkcs11:", strlen("pkcs11:")) == 0;
}

enum server_name_mode { SERVER_NAME_TARGET = 0, SERVER_NAME_RULE = 1 };

/* The settings of "federation" that a policy is made by, beside the files. */
struct federation_settings {
    bool strict;
    enum server_name_mode server_name;
    struct crl_settings crl;
};

struct audit_settings {
    char *file; /* absolute, or NULL: none */
    unsigned per_peer_per_minute;
};

struct path_list {
    char **paths; /* absolute */
    size_t len;
};

struct config {
    struct config_identity identities[OUR_ROLES];
    bool one_identity; /* neither "server" nor "client" overrides anything */
    unsigned version;
    struct federation_settings federation;
    struct path_list roots;
    struct path_list crls;  /* files and folders */
    bool all_certified;     /* "admit": "all-certified"; `admit` is then empty */
    struct rule_list admit; /* all three sorted */
    struct rule_list deny;
    struct rule_list admit_candidate;
    bool has_candidate;
    char *state_dir; /* absolute, or NULL: neither said nor in $STATE_DIRECTORY */
    struct audit_settings audit;
    unsigned reload_interval_seconds;
    struct hsm_token_settings token;
    unsigned verify_timeout_ms;
    unsigned lent_threads;
};

#endif
