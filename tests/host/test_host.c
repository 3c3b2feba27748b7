/* SPDX-License-Identifier: Apache-2.0
 * Programs on nodekey.hpp, a process for each row, with tokens of SoftHSM. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "fixtures/check.h"
#include "fixtures/federation.h"
#include "fixtures/process.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"

static struct federation federation;
static struct member member_a, member_b;

static const struct row {
    const char *name;
    const char *program;
    const char *scenario;
    const char *says; /* on stderr, beside what the scenario itself looks at; NULL: no matter */
} rows[] = {
    { "a log hook that throws: standard error has the line, the node serves", HOOKS_HOST,
      "log_throws", "nodekey: the log hook threw: no disk; the line was: our identity" },
    { "an event hook that throws: an error in the log, the node serves", HOOKS_HOST, "event_throws",
      NULL },
    { "a verify hook that throws: that peer is refused, the next is asked about", HOOKS_HOST,
      "verify_throws", NULL },
    { "an ask_pin hook that throws: the node does not open", HOOKS_HOST, "ask_pin_throws", NULL },
    { "a verify hook that decides", HOOKS_HOST, "verify_decides", NULL },
    { "an ask_pin hook that answers, and one that answers too much", HOOKS_HOST, "ask_pin_answers",
      NULL },
    { "a node that does not open tells why", HOOKS_HOST, "open_fails", NULL },
    { "plugins of another ABI are told by their numbers", HOOKS_HOST, "other_plugins", NULL },
    { "a close that the plugin refuses leaves the node open", HOOKS_HOST, "close_is_refused",
      NULL },
    { "a close that the plugin refuses to the destructor is a line in the log", HOOKS_HOST,
      "close_is_refused_at_last", NULL },
    { "a node that is moved and closed, both twice", HOOKS_HOST, "moved_and_closed", NULL },
    { "a server outlives its node: admits nobody, and no hook is left", HOOKS_HOST,
      "no_hook_after_close", NULL },
    { "a node that is closed in a hook of its own stays open", HOOKS_HOST, "closed_in_a_hook",
      NULL },
    { "a node that is destroyed in another's hook says so in its log", HOOKS_HOST,
      "destroyed_in_a_hook", NULL },
    { "nodes that come and go leave nothing behind", HOOKS_HOST, "many_nodes", NULL },
    { "nodes and a server that are open when main returns", HOOKS_HOST, "open_at_exit", NULL },
    { "who is there: at both ends, not before the call has a peer", CALLS_HOST, "peer", NULL },
    { "a peer refused meanwhile: not by auth_context(), by Node::peer", CALLS_HOST,
      "refused_meanwhile", NULL },
    { "auth_context() is that of grpc++'s own credentials but for the type; resumed, too",
      CALLS_HOST, "auth_context", NULL },
    { "a guarded call is cancelled when the policy changes", CALLS_HOST, "guard_cancels", NULL },
    { "a guard that ended in the handler guards no more", CALLS_HOST, "guard_ends", NULL },
    { "a peer that is refused when its call is guarded", CALLS_HOST, "guard_refuses", NULL },
    { "a guard outlives its node, whose close cancels the call", CALLS_HOST, "guard_outlives",
      NULL },
    { "a call of ours is guarded", CALLS_HOST, "guard_of_client", NULL },
    { "calls, guards and reloads while the node is closed", CALLS_HOST, "close_races", NULL },
};

static void write_config(const struct member *member, const char *name, const char *patch)
{
    char *text = member_config(member, patch);

    write_file(path_of("%s/%s", federation.folder, name), text, 0644);
    free(text);
}

/* Only peers of one direction, so that nobody is judged in the other. */
#define ADMITS(direction)                                                                          \
    "{\"admit\": [{\"name\": \"members\", \"direction\": \"" direction "\", \"uri\": "             \
    "[\"spiffe://federation.example/node/*\"]}]}"

static void check_row(void **state)
{
    const struct row *row = *state;
    const char *const argv[] = { row->program, row->scenario, getenv("NODEKEY_MODULE"),
                                 federation.folder, NULL };
    const struct process process = { .argv = argv, .with_stderr = true };

    write_config(&member_a, "own.json", ADMITS("inbound"));
    write_config(&member_b, "calls.json", ADMITS("outbound"));
    struct process_end end = process_run(&process);
    if (!WIFEXITED(end.status) || WEXITSTATUS(end.status) != 0 || strstr(end.out, "held") == NULL ||
        (row->says != NULL && strstr(end.out, row->says) == NULL)) {
        fail_msg("status %d:\n%s", end.status, end.out);
    }
    free(end.out);
}

#define DENY(uri) "{\"deny\": [{\"name\": \"leavers\", \"uri\": [\"" uri "\"]}]}"

/* A member with a key in memory, for a server on grpc++'s own credentials. */
static void write_plain(void)
{
    struct tls_peer stranger = stranger_make(&federation);
    char *key = pem_of_key(stranger.key);
    char *chain = pem_of(stranger.certificate, federation.intermediate.certificate, NULL);
    char *root = pem_of(federation.root.certificate, NULL);

    write_file(path_of("%s/plain.key", federation.folder), key, 0600);
    write_file(path_of("%s/plain.pem", federation.folder), chain, 0644);
    write_file(path_of("%s/federation-ca.pem", federation.folder), root, 0644);
    free(key);
    free(chain);
    free(root);
    stranger_free(&stranger);
}

int main(void)
{
    softhsm_start();
    federation_make(&federation, "federation.example");
    federation_enrol(&federation, &member_a, "node-a", "P-256");
    federation_enrol(&federation, &member_b, "node-b", "P-256");
    write_plain();
    write_config(&member_a, "denies-b.json", DENY("spiffe://federation.example/node/node-b"));
    write_config(&member_b, "denies-a.json", DENY("spiffe://federation.example/node/node-a"));
    write_config(
        &member_b, "by-rule.json",
        "{\"federation\": {\"server_name\": \"rule\"}, \"admit\": [{\"name\": \"members\", "
        "\"uri\": [\"spiffe://federation.example/node/*\"]}]}");
    write_config(&member_a, "prompt.json",
                 "{\"node\": {\"pin\": {\"file\": null, \"prompt\": true}}}");
    write_file(path_of("%s/broken.json", federation.folder), "{", 0644);
    ROWS_OF(rows, check_row);
    int failed = ROWS_RUN("host", NULL, NULL);
    member_free(&member_a);
    member_free(&member_b);
    federation_free(&federation);
    return failed;
}
