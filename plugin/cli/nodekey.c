/* SPDX-License-Identifier: Apache-2.0
 * The operator's command: picks the subcommand. */
#include <argp.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path_terms.h"
#include "cli/cli.h"
#include "cli/cli_help.h"

const char *argp_program_version = CLI_PROGRAM " " NODEKEY_VERSION;

static const char doc[] =
    "Hardware-backed mutual TLS for gRPC nodes: the operator's command.\v" CLI_HELP_MORE "\n\n"
    "Exit status: 0 yes; 1 no, or it could not be found out; 2 wrong usage.";

enum { OPTION_TRUST_FOLDERS = 0x100 };

static const struct argp_option options[] = {
    { "trust-folders", OPTION_TRUST_FOLDERS, NULL, 0,
      "Take for granted who may replace files and links on the way to what is read: look at the "
      "files alone",
      0 },
    { 0 },
};

struct choice {
    bool trust_folders;
    struct command *command;
    int argc;
    char **argv;
};

/* --- stdout and stderr --- */

enum cli_exit cli_fail(const char *fmt, ...)
{
    va_list args;

    fputs(CLI_PROGRAM ": ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    return CLI_FAILED;
}

static void print_line(void *data, int32_t level, const char *line)
{
    (void)data;
    if (level == NK_LOG_WARNING) {
        cli_fail("warning: %s", line);
    } else if (level == NK_LOG_ERROR) {
        cli_fail("%s", line);
    }
}

const nk_host cli_host = { .struct_size = sizeof(cli_host), .log = print_line };

/* At exit, so that --help and --version are covered too: half a verdict must not look like one. */
static void close_stdout(void)
{
    int broken = ferror(stdout);

    errno = 0;
    if (fclose(stdout) != 0 || broken != 0) {
        cli_fail("cannot write the result: %s", errno != 0 ? strerror(errno) : "output error");
        _exit(CLI_FAILED);
    }
}

/* --- dispatch --- */

/* Puts the commands before what follows the options. */
static char *list_commands(int key, const char *text, void *input)
{
    char *list = NULL;
    size_t len = 0;

    (void)input;
    FILE *out = key == ARGP_KEY_HELP_POST_DOC ? open_memstream(&list, &len) : NULL;
    if (out == NULL) {
        return (char *)(uintptr_t)text;
    }
    commands_print(out);
    fprintf(out, "\n%s", text);
    fclose(out);
    return list;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct choice *choice = state->input;
    char absent[COMMAND_ABSENT_BYTES];

    switch (key) {
    case OPTION_TRUST_FOLDERS:
        choice->trust_folders = true;
        return 0;
    case ARGP_KEY_ARG:
        choice->command = command_find(arg);
        if (choice->command == NULL) {
            argp_error(state, "%s", command_absent(arg, absent));
        }
        choice->argc = state->argc - (state->next - 1);
        choice->argv = &state->argv[state->next - 1];
        state->next = state->argc; /* the rest is the command's */
        return 0;
    case ARGP_KEY_NO_ARGS:
        cli_fail("which command?\n");
        commands_print(stderr);
        fputs("\n" CLI_HELP_MORE "\n", stderr);
        exit(CLI_USAGE);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static enum cli_exit run_command(const struct choice *choice)
{
    AUTO(path_terms_unref) struct path_terms *terms = path_terms_new(choice->trust_folders);
    if (terms == NULL) {
        return cli_fail("out of memory");
    }
    AUTO(path_terms_restore) struct path_terms *former = path_terms_use(terms);
    choice->argv[0] = choice->command->name;
    enum cli_exit end = choice->command->run(choice->argc, choice->argv);
    path_terms_tell(terms, &cli_host);
    return end;
}

int main(int argc, char **argv)
{
    static char name[] = CLI_PROGRAM; /* whatever path we were started by */
    static const struct argp argp = { options, parse_option, "COMMAND [ARGUMENT...]",
                                      doc,     NULL,         list_commands,
                                      NULL };
    struct choice choice = { 0 };

    /* Ten lines of tpm2-tss before our one hide it; who wants them sets the variable. */
    if (atexit(close_stdout) != 0 || setenv("TSS2_LOG", "all+none", 0) != 0) {
        return cli_fail("out of memory");
    }
    argp_err_exit_status = CLI_USAGE;
    if (argc > 0) {
        argv[0] = name;
    }
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &choice) != 0 ||
        choice.command == NULL) {
        return CLI_USAGE;
    }
    return run_command(&choice);
}
