/* SPDX-License-Identifier: Apache-2.0
 * `nodekey explain`: what the policy of a configuration says about certificates in a file. Reads
 * the trust side alone: no module is loaded, no PIN and no certificate of ours is read. */
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "answer/answer.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/cli_explain.h"

DEFINE_AUTO(json_t *, json_decref);

/* --- the command line --- */

enum { OPTION_ROLE = 0x100, OPTION_TARGET, OPTION_JSON }; /* no letters: the names say more */

static const struct argp_option options[] = {
    { "role", OPTION_ROLE, "client|server", 0,
      "Judge it as a client (it dials us) or as a server (we dial it). Default: as both", 0 },
    { "target", OPTION_TARGET, "NAME", 0,
      "The host name or address that we dial, without port, to be found in a server's certificate",
      0 },
    { "json", OPTION_JSON, NULL, 0, "Print JSON: an array with one object per role", 0 },
    { 0 },
};

static const char doc[] =
    "Would the node that starts with CONFIG let this peer in, and why? PEER.pem holds the peer's "
    "certificate and then its intermediates; `-' is standard input.\v"
    "The token is not needed: no module is loaded, nobody logs in and no PIN is read. A program's "
    "own verify_peer is not asked. CONFIG and the files it names must belong to root or to whoever "
    "runs this, as for the node itself: run it as the node's user.\n\n"
    "Example: nodekey explain node.json a.pem --role server --target 10.0.0.7\n\n"
    "Exit status: 0 let in, in every role asked about; 1 refused in one, or it could not be "
    "judged; "
    "2 wrong usage.";

/* A target here is what gRPC hands to the verifier: the host, neither port nor scheme. */
static const char *flaw_of_target(const char *target)
{
    const char *colon = strchr(target, ':');

    if (!text_is(target, TEXT_VISIBLE) || strchr(target, '/') != NULL) {
        return "is not a host name or address";
    }
    if (target[0] == '\0') {
        return "is empty";
    }
    if (strstr(target, "]:") != NULL || (colon != NULL && strchr(colon + 1, ':') == NULL)) {
        return "has a port; give the host alone";
    }
    return NULL;
}

static void take_role(struct question *question, const char *role, const struct argp_state *state)
{
    if (strcmp(role, "client") == 0) {
        question->roles |= NK_PEER_IS_CLIENT;
    } else if (strcmp(role, "server") == 0) {
        question->roles |= NK_PEER_IS_SERVER;
    } else {
        argp_error(state, "--role is client or server, not `%s'", role);
    }
}

static void take_argument(struct question *question, const char *argument,
                          const struct argp_state *state)
{
    if (state->arg_num > 1) {
        argp_error(state, "`%s' is one argument too many", argument);
    }
    *(state->arg_num == 0 ? &question->config : &question->peer) = argument;
}

static void check_question(struct question *question, const struct argp_state *state)
{
    if (question->peer == NULL) {
        argp_error(state, "%s is missing", question->config == NULL ? "CONFIG" : "PEER.pem");
    }
    if (question->roles == 0) {
        question->roles = NK_PEER_IS_CLIENT | NK_PEER_IS_SERVER;
    }
    if (question->target == NULL) {
        return;
    }
    const char *flaw = flaw_of_target(question->target);
    if (flaw != NULL) {
        argp_error(state, "--target `%s' %s", question->target, flaw);
    }
    if ((question->roles & NK_PEER_IS_SERVER) == 0) {
        argp_error(state, "--target is for servers, but --role is client: a client is not dialled");
    }
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
    struct question *question = state->input;

    switch (key) {
    case OPTION_ROLE:
        take_role(question, argument, state);
        return 0;
    case OPTION_TARGET:
        question->target = argument;
        return 0;
    case OPTION_JSON:
        question->json = true;
        return 0;
    case ARGP_KEY_ARG:
        take_argument(question, argument, state);
        return 0;
    case ARGP_KEY_END:
        check_question(question, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

enum cli_exit cli_explain(int argc, char **argv)
{
    static const struct argp argp = { options, parse_option, "CONFIG PEER.pem", doc, NULL,
                                      NULL,    NULL };
    AUTO(json_decref) json_t *answers = NULL;
    struct question question = { 0 };
    nk_error err = { .struct_size = sizeof(err) };
    bool allowed = false;

    if (argp_parse(&argp, argc, argv, 0, NULL, &question) != 0) {
        return CLI_USAGE;
    }
    if (explain_judge(&question, &answers, &allowed, &err) != NK_OK) {
        return cli_fail("%s", err.text);
    }
    if (!question.json) {
        answer_print(stdout, answers); /* whose errors are found at exit */
    } else if (json_dumpf(answers, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER) == 0) {
        putchar('\n');
    } else if (ferror(stdout) == 0) { /* else exit tells */
        return cli_fail("out of memory");
    }
    return allowed ? CLI_OK : CLI_FAILED;
}
