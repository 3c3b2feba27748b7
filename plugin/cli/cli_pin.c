/* SPDX-License-Identifier: Apache-2.0
 * `nodekey pin`: what stands between a node and its login. */
#include <stdio.h>

#include "cli/cli_ours.h"
#include "hsm_admin.h"

enum { OPTION_RESET = CLI_OPTION_OWN };

static const struct argp_option options[] = {
    { "reset", OPTION_RESET, NULL, 0,
      "Forget the PINs that the token has refused, so that they are sent again", 0 },
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
    "Exit status: 0 the token would take a PIN; 1 it is locked or on its last try, or could not "
    "be asked; 2 wrong usage.";

struct wish {
    struct ours_choice ours;
    bool reset;
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
