/* SPDX-License-Identifier: Apache-2.0
 * `nodekey check`: whether a node would start with this configuration, and live. */
#include <stdio.h>

#include "check/check.h"
#include "cli/cli_ours.h"
#include "dial/dial.h"

enum { OPTION_NO_TOKEN = CLI_OPTION_OWN, OPTION_AGAINST };

static const struct argp_option options[] = {
    { "no-token", OPTION_NO_TOKEN, NULL, 0,
      "Load no module and send no PIN: files, certificates and rules alone", 0 },
    { "against", OPTION_AGAINST, "HOST:PORT", 0,
      "Dial that peer, too, as the node would: how far it comes, and who refuses whom", 0 },
    CLI_ROLE_OPTION,
    CLI_JSON_OPTION,
    { 0 },
};

static const char doc[] =
    "Looks at all that a node needs: configuration, files and folders, module, token, PIN, key, "
    "certificates, roots, CRLs, rules, clock and libraries. Tells all that it finds, and where a "
    "command mends it, the command.\v"
    "Run it as the node's user, with the environment of the node. It logs in once, as the node "
    "does at its start: not on the last try, nor with a PIN that was refused before. A PIN that is "
    "refused now is remembered in state_dir; nothing else is written. With --against the peer is "
    "shown our certificate, and nothing is called. A line begins with ✓ for "
    "what "
    "is sound, ! for what may hurt, ✗ for what keeps the node from starting or from being let "
    "in.\n\n"
    "Exit status: 0 sound; 1 not, or not all could be looked at; 2 wrong usage.";

struct wish {
    struct ours_choice ours;
    bool no_token;
    const char *against;
};

static void take_target(struct wish *wish, const char *argument, const struct argp_state *state)
{
    struct dial_target target;
    nk_error err = { .struct_size = sizeof(err) };

    if (dial_target_read(argument, &target, &err) != NK_OK) {
        argp_error(state, "--against %s", err.text);
    }
    wish->against = argument;
}

static error_t check_wish(const struct wish *wish, const struct argp_state *state)
{
    if (wish->against != NULL && wish->no_token) {
        argp_error(state, "--against shows our certificate, for which the token signs: leave out "
                          "--no-token");
    }
    return 0;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct wish *wish = state->input;

    if (ours_option(key, argument, &wish->ours, state)) {
        return 0;
    }
    if (key == OPTION_NO_TOKEN) {
        wish->no_token = true;
        return 0;
    }
    if (key == OPTION_AGAINST) {
        take_target(wish, argument, state);
        return 0;
    }
    if (key == ARGP_KEY_END) {
        return check_wish(wish, state);
    }
    return ours_argument(key, argument, &wish->ours, state);
}

static const char *const signs[CHECK_MARKS] = { "✓", "!", "✗" };
static const char *const marks[CHECK_MARKS] = { "good", "warning", "bad" };

static void tell_people(const struct check_report *report)
{
    for (size_t i = 0; i < report->len; i++) {
        const struct check_finding *finding = &report->findings[i];
        printf("%s %s: %s\n", signs[finding->mark], finding->topic, finding->text);
        if (finding->cure != NULL) {
            printf("    mend: %s\n", finding->cure);
        }
    }
    printf("%s: %zu bad, %zu warnings, %zu good\n", check_is_sound(report) ? "sound" : "not sound",
           check_count(report, CHECK_BAD), check_count(report, CHECK_WARNING),
           check_count(report, CHECK_GOOD));
}

static json_t *json_of_findings(const struct check_report *report)
{
    json_t *all = json_array();

    for (size_t i = 0; i < report->len; i++) {
        const struct check_finding *finding = &report->findings[i];
        json_t *one = json_pack("{s:s, s:s, s:s, s:s?}", "mark", marks[finding->mark], "topic",
                                finding->topic, "text", finding->text, "cure", finding->cure);
        if (json_array_append_new(all, one) != 0) {
            json_decref(all);
            return NULL;
        }
    }
    return all;
}

static enum cli_exit tell_json(const struct check_report *report, enum cli_exit end)
{
    return cli_put_json(json_pack("{s:b, s:s?, s:o, s:O?}", "sound", end == CLI_OK, "policy_digest",
                                  report->digest[0] != '\0' ? report->digest : NULL, "findings",
                                  json_of_findings(report), "against", report->against),
                        end);
}

enum cli_exit cli_check(int argc, char **argv)
{
    static const struct argp argp = { options, parse_option, "CONFIG", doc, NULL, NULL, NULL };
    struct wish wish = { .ours = { .role = -1 } };
    struct check_report report = { .findings = NULL };

    if (argp_parse(&argp, argc, argv, 0, NULL, &wish) != 0) {
        return CLI_USAGE;
    }
    const struct check_order order = { .path = wish.ours.path,
                                       .role = wish.ours.role,
                                       .token = !wish.no_token,
                                       .against = wish.against,
                                       .host = &cli_asking_host };
    check_run(&order, &report);
    enum cli_exit end = check_is_sound(&report) ? CLI_OK : CLI_FAILED;
    if (wish.ours.json) {
        end = tell_json(&report, end);
    } else {
        tell_people(&report);
    }
    if (report.no_memory) {
        end = cli_fail("out of memory: findings are missing");
    }
    check_report_clear(&report);
    return end;
}
