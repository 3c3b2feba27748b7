/* SPDX-License-Identifier: Apache-2.0
 * What the subcommands of `nodekey` share. Results go to stdout, all else to stderr. */
#ifndef NODEKEY_CLI_H
#define NODEKEY_CLI_H

#include "base/auto.h"
#include "nodekey/plugin.h"

enum cli_exit { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* X(name, summary): the function is cli_<name>(argc, argv), argv[0] is "nodekey <name>". */
#define CLI_COMMANDS(X)                                                                            \
    X(tokens, "which tokens are there, and what is on them")                                       \
    X(init, "make a token of a blank one, with its PINs")                                          \
    X(enroll, "generate the node's key on its token, and request a certificate")                   \
    X(csr, "request a certificate for the key that is there")                                      \
    X(import, "check a certificate, and put it where the node looks for it")                       \
    X(check, "is the set-up sound, and what mends it")                                             \
    X(pin, "which PINs the token has refused; give it another PIN")                                \
    X(explain, "would this peer be let in, and why")                                               \
    X(version, "the versions of nodekey, its ABI and OpenSSL")                                     \
    X(help, "what a command does, and its options")

#define CLI_DECLARE(name, summary) enum cli_exit cli_##name(int argc, char **argv);
CLI_COMMANDS(CLI_DECLARE)
#undef CLI_DECLARE

/* A host without gRPC and without answers: warnings and errors become lines on stderr. */
extern const nk_host cli_host;

/* "nodekey: <text>" on stderr; so a failure is one statement. */
enum cli_exit cli_fail(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
