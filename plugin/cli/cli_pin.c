/* SPDX-License-Identifier: Apache-2.0
 * `nodekey pin`: what stands between a node and its login. */
#include <stdio.h>
#include <string.h>

#include "base/report.h"
#include "cli/cli_ours.h"
#include "hsm_admin.h"

enum { OPTION_RESET = CLI_OPTION_OWN, OPTION_CHANGE, OPTION_NEW_PIN_FILE };

static const struct argp_option options[] = {
    { "reset", OPTION_RESET, NULL, 0,
      "Forget the PINs that the token has refused, so that they are sent again", 0 },
    { "change", OPTION_CHANGE, NULL, 0,
      "Give the token another PIN, and the file of node.pin with it", 0 },
    { "new-pin-file", OPTION_NEW_PIN_FILE, "FILE", 0,
      "With --change: the new PIN; mode 0600. Default: it is asked for on the terminal", 0 },
    CLI_ROLE_OPTION,
    CLI_JSON_OPTION,
    { 0 },
};

static const char doc[] =
    "Says how many PINs the token of node.key has refused, as state_dir remembers it over "
    "restarts, and what the token says of its PIN. No PIN is sent.\v"
    "A PIN that was refused is never sent again, since tokens lock after a few. Reset it after the "
    "token was given that PIN, or after a file of state_dir was damaged, and only once node.pin "
    "is known to be right; then start the node again.\n\n"
    "--change logs in with the present PIN, changes it, and logs in with the new one. That one is "
    "in a file beside that of node.pin, NAME.next, before the token is asked, and takes its place "
    "at the end: when the command is killed, the next start tries the second file after the "
    "first, and ends the change. Nodes that run go on, and read the file at their next login. "
    "Remove the file of --new-pin-file after.\n\n"
    "Exit status: 0 the token would take a PIN; 1 it is locked or on its last try, or could not "
    "be asked, or the PIN is not changed; 2 wrong usage.";

struct wish {
    struct ours_choice ours;
    bool reset;
    bool change;
    const char *new_pin_file;
};

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct wish *wish = state->input;

    if (ours_option(key, argument, &wish->ours, state)) {
        return 0;
    }
    switch (key) {
    case OPTION_RESET:
        wish->reset = true;
        return 0;
    case OPTION_CHANGE:
        wish->change = true;
        return 0;
    case OPTION_NEW_PIN_FILE:
        wish->new_pin_file = argument;
        return 0;
    case ARGP_KEY_END:
        if (wish->change ? wish->reset : wish->new_pin_file != NULL) {
            argp_error(state, wish->change ? "--change and --reset are two commands"
                                           : "--new-pin-file is of use with --change only");
        }
        return 0;
    default:
        return ours_argument(key, argument, &wish->ours, state);
    }
}

static nk_status look_at_pin(const struct wish *wish, bool *ret_forgot,
                             struct hsm_pin_news *ret_news, nk_error *err)
{
    struct ours ours;
    nk_status status = ours_read(&wish->ours, &ours, err);
    if (status != NK_OK) {
        return status;
    }
    status = wish->reset ? hsm_pin_forget(&ours.request, ret_forgot, ret_news, err)
                         : hsm_pin_look(&ours.request, ret_news, err);
    ours_clear(&ours);
    return status;
}

static const char *what_it_says(const struct hsm_pin_news *news)
{
    if (news->locked) {
        return "it is locked; unlock it with the SO PIN (pkcs11-tool --login-type so --init-pin)";
    }
    if (news->final_try) {
        return "one wrong PIN more locks it, so nodes do not log in; log in once by hand with the "
               "right PIN (pkcs11-tool --login)";
    }
    return news->count_low ? "the last PIN that it was given was wrong" : "nothing against it";
}

/* --- another PIN --- */

/* PINs of both roles: one in two files, or two in one, would be right for one role alone. */
static nk_status check_sharing(const struct ours *ours, nk_error *err)
{
    const struct config_identity *server = &ours->config->identities[OUR_SERVER];
    const struct config_identity *client = &ours->config->identities[OUR_CLIENT];
    bool one_token =
        strcmp(server->module, client->module) == 0 && hsm_same_token(server->key, client->key);

    if (ours->config->one_identity || config_shares_pin(ours->config) == one_token) {
        return NK_OK;
    }
    return one_token
               ? report(err, NK_E_CONFIG,
                        "server and client are on one token and take its PIN from two places; "
                        "name one file for both, then change it")
               : report(err, NK_E_CONFIG,
                        "server and client are on two tokens and take both PINs from one "
                        "place; give each its own file, then change one");
}

static nk_status change_pin(const struct ours_choice *choice, const char *new_pin_file,
                            struct hsm_pin_changed *ret_changed, nk_error *err)
{
    static struct pin_question question = {
        .what = "new PIN",
        .instead = "--new-pin-file FILE",
        .twice = true,
    };
    nk_host host = cli_asking_host;
    struct ours ours;
    nk_status status = ours_read(choice, &ours, err);
    if (status != NK_OK) {
        return status;
    }
    host.host_data = &question;
    const struct hsm_pin_change change = {
        .key = &ours.request,
        .next = { .kind = new_pin_file != NULL ? HSM_PIN_FILE : HSM_PIN_PROMPT,
                  .where = new_pin_file },
        .next_host = &host,
    };
    status = check_sharing(&ours, err);
    if (status == NK_OK) {
        status = hsm_pin_change(&change, ret_changed, err);
    }
    ours_clear(&ours);
    return status;
}

static enum cli_exit print_change(const struct ours_choice *choice, const char *new_pin_file)
{
    struct hsm_pin_changed changed = { .finished = false };
    nk_error err = { .struct_size = sizeof(err) };

    if (change_pin(choice, new_pin_file, &changed, &err) != NK_OK) {
        return ours_fail(&err);
    }
    if (choice->json) {
        return cli_put_json(json_pack("{s:s, s:b, s:b}", "token", changed.label, "changed",
                                      (int)changed.changed, "finished", (int)changed.finished),
                            CLI_OK);
    }
    if (changed.finished) {
        printf("token \"%s\": the change that was interrupted is finished\n", changed.label);
    }
    printf("token \"%s\": %s\n", changed.label,
           changed.changed ? "its PIN is changed" : "it has that PIN already");
    return CLI_OK;
}

enum cli_exit cli_pin(int argc, char **argv)
{
    static const struct argp argp = { options, parse_option, "CONFIG", doc, NULL, NULL, NULL };
    struct wish wish = { .ours = { .role = -1, .of_token = true } };
    struct hsm_pin_news news = { .refused = 0 };
    nk_error err = { .struct_size = sizeof(err) };
    bool forgot = false;

    if (argp_parse(&argp, argc, argv, 0, NULL, &wish) != 0) {
        return CLI_USAGE;
    }
    if (wish.change) {
        return print_change(&wish.ours, wish.new_pin_file);
    }
    if (look_at_pin(&wish, &forgot, &news, &err) != NK_OK) {
        return ours_fail(&err);
    }
    enum cli_exit end = news.locked || news.final_try ? CLI_FAILED : CLI_OK;
    if (wish.ours.json) {
        return cli_put_json(json_pack("{s:s, s:I, s:b, s:b, s:b, s:b}", "token", news.label,
                                      "refused_pins", (json_int_t)news.refused, "forgot",
                                      (int)forgot, "locked", (int)news.locked, "final_try",
                                      (int)news.final_try, "count_low", (int)news.count_low),
                            end);
    }
    if (wish.reset) {
        printf("token \"%s\": %s\n", news.label,
               forgot ? "what it has refused is forgotten; start the node again"
                      : "there was nothing to forget");
    } else {
        printf("token \"%s\": %zu refused PINs are remembered and not sent again\n", news.label,
               news.refused);
    }
    printf("the token says of its PIN: %s\n", what_it_says(&news));
    return end;
}
