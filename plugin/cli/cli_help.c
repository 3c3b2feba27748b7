/* SPDX-License-Identifier: Apache-2.0
 * What the command says of itself: `nodekey help` and `nodekey version`. */
#include "cli/cli_help.h"

#include <stdint.h>
#include <string.h>

#include <openssl/crypto.h>

#include "cli/cli_ours.h"

#define NAME_MAX_BYTES 16 /* of a command; a longer word is none that was mistyped */
#define SLIPS_MAX 2

#define COMMAND(name, summary) { CLI_PROGRAM " " #name, summary, cli_##name },
static struct command commands[] = { CLI_COMMANDS(COMMAND) };
#undef COMMAND

static const char *short_name(const struct command *command)
{
    return command->name + strlen(CLI_PROGRAM " ");
}

struct command *command_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(short_name(&commands[i]), name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

void commands_print(FILE *out)
{
    fputs("Commands:\n", out);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        fprintf(out, "  %-11s%s\n", short_name(&commands[i]), commands[i].summary);
    }
}

/* --- names that are nearly right --- */

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Letters left out, put in, changed, or swapped with their neighbour (optimal string alignment). */
static unsigned count_slips(const char *a, const char *b)
{
    unsigned cost[NAME_MAX_BYTES + 1][NAME_MAX_BYTES + 1];
    size_t rows = strlen(a);
    size_t columns = strlen(b);

    if (rows > NAME_MAX_BYTES || columns > NAME_MAX_BYTES) {
        return SLIPS_MAX + 1;
    }
    for (size_t i = 0; i <= rows; i++) {
        for (size_t j = 0; j <= columns; j++) {
            if (i == 0 || j == 0) {
                cost[i][j] = (unsigned)(i + j);
                continue;
            }
            unsigned changed = a[i - 1] != b[j - 1] ? 1 : 0;
            cost[i][j] =
                least(cost[i - 1][j - 1] + changed, least(cost[i - 1][j] + 1, cost[i][j - 1] + 1));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                cost[i][j] = least(cost[i][j], cost[i - 2][j - 2] + 1);
            }
        }
    }
    return cost[rows][columns];
}

/* A command that the word begins, or that it is with few slips; NULL: it is like none. */
static const struct command *find_nearest(const char *word)
{
    const struct command *nearest = NULL;
    unsigned fewest = SLIPS_MAX + 1;

    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        const char *name = short_name(&commands[i]);
        unsigned slips = strncmp(name, word, strlen(word)) == 0 ? 0 : count_slips(name, word);
        if (word[0] != '\0' && slips < fewest && slips < strlen(name) - 1) {
            nearest = &commands[i];
            fewest = slips;
        }
    }
    return nearest;
}

const char *command_absent(const char *name, char text[COMMAND_ABSENT_BYTES])
{
    const struct command *nearest = find_nearest(name);

    if (nearest != NULL) {
        snprintf(text, COMMAND_ABSENT_BYTES, "there is no command `%s'; did you mean `%s'?", name,
                 short_name(nearest));
    } else {
        snprintf(text, COMMAND_ABSENT_BYTES, "there is no command `%s'", name);
    }
    return text;
}

/* --- help --- */

static const char help_doc[] =
    "Lists the commands, or says what COMMAND does, as `" CLI_PROGRAM " COMMAND --help' does.\v"
    "Exit status: 0 said; 2 wrong usage.";

static error_t parse_help(int key, char *argument, struct argp_state *state)
{
    struct command **command = state->input;
    char text[COMMAND_ABSENT_BYTES];

    if (key != ARGP_KEY_ARG) {
        return ARGP_ERR_UNKNOWN;
    }
    if (*command != NULL) {
        argp_error(state, "`%s' is one argument too many", argument);
    }
    *command = command_find(argument);
    if (*command == NULL) {
        argp_error(state, "%s", command_absent(argument, text));
    }
    return 0;
}

enum cli_exit cli_help(int argc, char **argv)
{
    static const struct argp argp = { NULL, parse_help, "[COMMAND]", help_doc, NULL, NULL, NULL };
    static char flag[] = "--help";
    struct command *command = NULL;

    if (argp_parse(&argp, argc, argv, 0, NULL, &command) != 0) {
        return CLI_USAGE;
    }
    if (command == NULL) {
        commands_print(stdout);
        puts("\n" CLI_HELP_MORE);
        return CLI_OK;
    }
    char *asked[] = { command->name, flag, NULL };
    return command->run(2, asked); /* --help ends the process */
}

/* --- version --- */

static const struct argp_option version_options[] = { CLI_JSON_OPTION, { 0 } };

static const char version_doc[] = "Says the versions of nodekey, of its plugin's ABI and of the "
                                  "OpenSSL in use: what to send with "
                                  "a question.\v"
                                  "Exit status: 0 said; 2 wrong usage.";

static error_t parse_version(int key, char *argument, struct argp_state *state)
{
    if (ours_option(key, argument, state->input, state)) {
        return 0;
    }
    if (key == ARGP_KEY_ARG) {
        argp_error(state, "`%s' is one argument too many", argument);
    }
    return ARGP_ERR_UNKNOWN;
}

enum cli_exit cli_version(int argc, char **argv)
{
    static const struct argp argp = {
        version_options, parse_version, NULL, version_doc, NULL, NULL, NULL
    };
    struct ours_choice choice = { .role = -1 };
    char abi[32];

    if (argp_parse(&argp, argc, argv, 0, NULL, &choice) != 0) {
        return CLI_USAGE;
    }
    snprintf(abi, sizeof(abi), "%u.%u", NK_ABI_MAJOR, NK_ABI_MINOR);
    const char *openssl = OpenSSL_version(OPENSSL_FULL_VERSION_STRING);
    if (choice.json) {
        return cli_put_json(json_pack("{s:s, s:s, s:s}", "nodekey", NODEKEY_VERSION, "abi", abi,
                                      "openssl", openssl),
                            CLI_OK);
    }
    printf(CLI_PROGRAM " %s\nABI %s\nOpenSSL %s\n", NODEKEY_VERSION, abi, openssl);
    return CLI_OK;
}
