/* SPDX-License-Identifier: Apache-2.0
 * The commands that work on the node's own token: which one a configuration names, and who is asked
 * for its PIN. */
#ifndef NODEKEY_CLI_OURS_H
#define NODEKEY_CLI_OURS_H

#include <argp.h>

#include <jansson.h>

#include "cli/cli.h"
#include "config/config.h"
#include "hsm.h"

/* Options and argument that these commands share; letters begin behind it. */
enum { CLI_OPTION_ROLE = 0x100, CLI_OPTION_JSON, CLI_OPTION_OWN };

#define CLI_ROLE_OPTION                                                                            \
    {                                                                                              \
        "role", CLI_OPTION_ROLE, "server|client", 0,                                               \
            "Which of the two identities, where CONFIG has \"server\" or \"client\"", 0            \
    }
#define CLI_JSON_OPTION                                                                            \
    {                                                                                              \
        "json", CLI_OPTION_JSON, NULL, 0, "Print JSON", 0                                          \
    }

struct ours_choice {
    const char *path; /* of CONFIG; points into argv */
    int role;         /* OUR_...; -1: not said */
    bool json;
    bool of_token; /* the command is about the token, whichever of its keys is meant */
};

/* For argp parsers: true when it was one of ours. */
bool ours_option(int key, const char *argument, struct ours_choice *choice,
                 const struct argp_state *state);
/* Likewise, as the last case of a command whose one argument is CONFIG: what the parser returns. */
error_t ours_argument(int key, const char *argument, struct ours_choice *choice,
                      const struct argp_state *state);

struct ours {
    struct config *config;
    int role;                       /* OUR_... */
    struct hsm_key_request request; /* points into `config` */
};
/* NK_E_CONFIG: of config_read, or two identities and no --role. Owned: ours_clear. */
MUST_USE nk_status ours_read(const struct ours_choice *choice, struct ours *ret_ours,
                             nk_error *err);
void ours_clear(struct ours *ours);
/* NK_E_TRUST: a root that the node would not open with, told before a token or a CA has done work
 * for it. A file that is not there yet is passed over: the root may come with the certificate. */
MUST_USE nk_status ours_check_roots(const struct ours *ours, nk_error *err);
/* cli_fail with its text; CLI_USAGE when the command line lacks something. */
enum cli_exit ours_fail(const nk_error *err);
/* Does this role take its certificate from the file that is ours? */
bool ours_shares_file(const struct ours *ours, int role);

/* host_data of hosts that ask on the terminal. */
struct pin_question {
    const char *what;    /* "PIN" */
    const char *instead; /* where it may come from, if there is no terminal */
    bool twice;          /* for a PIN that is being set */
};
nk_status cli_ask_pin(void *host_data, const char *token_label, char *buf, size_t room,
                      size_t *ret_len);
/* cli_host that asks for the user PIN. */
extern const nk_host cli_asking_host;

/* To stdout, or with the reason to stderr; returns `good` or CLI_FAILED. Consumes `document`, which
 * may be NULL: no memory. */
enum cli_exit cli_put_json(json_t *document, enum cli_exit good);

#endif
