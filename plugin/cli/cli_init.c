/* SPDX-License-Identifier: Apache-2.0
 * `nodekey init`: from a blank slot to the token that a configuration names. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli_ours.h"
#include "hsm_admin.h"

enum { OPTION_SO_PIN_FILE = CLI_OPTION_OWN };

static const struct argp_option options[] = {
    { "so-pin-file", OPTION_SO_PIN_FILE, "FILE", 0,
      "The security officer's PIN, which can reset the node's; mode 0600. Default: it is asked for "
      "on the terminal",
      0 },
    CLI_ROLE_OPTION,
    CLI_JSON_OPTION,
    { 0 },
};

static const char doc[] =
    "Initialises the module's blank token with the label of node.key, and sets its user PIN to "
    "what node.pin gives.\v"
    "A token that is initialised already is never touched. Keep the SO PIN away from the node: "
    "whoever has it can set another user PIN, or erase the token.\n\n"
    "Example: nodekey init node.json --so-pin-file so.pin\n\n"
    "Exit status: 0 made; 1 not made; 2 wrong usage.";

struct wish {
    struct ours_choice ours;
    const char *so_pin_file;
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct wish *wish = state->input;

    if (ours_option(key, argument, &wish->ours, state)) {
        return 0;
    }
    switch (key) {
    case OPTION_SO_PIN_FILE:
        wish->so_pin_file = argument;
        return 0;
    default:
        return ours_argument(key, argument, &wish->ours, state);
    }
}

static nk_status make_token(const struct wish *wish, char **ret_label, nk_error *err)
{
    static struct pin_question new_so = {
        .what = "new SO PIN",
        .instead = "--so-pin-file FILE",
        .twice = true,
    };
    static struct pin_question new_user = {
        .what = "new PIN",
        .instead = "a file in node.pin",
        .twice = true,
    };
    nk_host so_host = cli_asking_host;
    nk_host user_host = cli_asking_host;
    struct ours ours;
    nk_status status = ours_read(&wish->ours, &ours, err);
    if (status != NK_OK) {
        return status;
    }
    so_host.host_data = &new_so;
    user_host.host_data = &new_user;
    ours.request.host = &user_host;
    const struct hsm_init_request request = {
        .key = &ours.request,
        .so_pin = { .kind = wish->so_pin_file != NULL ? HSM_PIN_FILE : HSM_PIN_PROMPT,
                    .where = wish->so_pin_file },
        .so_host = &so_host,
    };
    status = ours_check_roots(&ours, err);
    if (status == NK_OK) {
        status = hsm_init_token(&request, ret_label, err);
    }
    ours_clear(&ours);
    return status;
}

enum cli_exit cli_init(int argc, char **argv)
{
    static const struct argp argp = { options, parse_option, "CONFIG", doc, NULL, NULL, NULL };
    AUTO(free) char *label = NULL;
    struct wish wish = { .ours = { .role = -1, .of_token = true } };
    nk_error err = { .struct_size = sizeof(err) };

    if (argp_parse(&argp, argc, argv, 0, NULL, &wish) != 0) {
        return CLI_USAGE;
    }
    if (make_token(&wish, &label, &err) != NK_OK) {
        return ours_fail(&err);
    }
    if (wish.ours.json) {
        return cli_put_json(json_pack("{s:s}", "token", label), CLI_OK);
    }
    printf("token \"%s\" is initialised and has its user PIN; next: nodekey enroll %s --san ...\n",
           label, wish.ours.path);
    return CLI_OK;
}
