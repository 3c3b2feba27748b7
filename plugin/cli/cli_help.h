/* SPDX-License-Identifier: Apache-2.0
 * The commands: found by name, or by nearly its name, and listed. */
#ifndef NODEKEY_CLI_HELP_H
#define NODEKEY_CLI_HELP_H

#include <stdio.h>

#include "cli/cli.h"

#define CLI_PROGRAM "nodekey"
#define CLI_HELP_MORE                                                                              \
    "A new node: init, enroll, the CA's signature, import, check.\n\n`" CLI_PROGRAM                \
    " help COMMAND' tells more."

struct command {
    char name[32]; /* its argv[0], for the usage and the errors of its own options */
    const char *summary;
    enum cli_exit (*run)(int argc, char **argv);
};

/* NULL: there is none of that name. */
struct command *command_find(const char *name);
/* "there is no command `expalin'; did you mean `explain'?" Returns `text`. */
#define COMMAND_ABSENT_BYTES 256
const char *command_absent(const char *name, char text[COMMAND_ABSENT_BYTES]);
void commands_print(FILE *out);

#endif
