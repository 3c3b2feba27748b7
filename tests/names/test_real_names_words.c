/* SPDX-License-Identifier: Apache-2.0
 * What is said of names and certificates, at the place where somebody reads it: by the command, in
 * a node's log and to its callers. Rows marked HELD were right before; all others failed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "base/auto.h"
#include "cli/nodekey_run.h"
#include "fixtures/federation.h"
#include "fixtures/rows.h"
#include "fixtures/softhsm/softhsm.h"
#include "fixtures/wire/rpc.h"
#include "fixtures/wire/rpc_stream.h"

#define HELD NULL
#define PIECES 3
#define LOG_WAIT_MS 30000
#define NODE "URI:spiffe://example.org/node/bob"
#define NOBODY "nobody can come in"
#define OWN_RULES "our own rules would not admit"
#define RULE(name, more) "[{\"name\": \"" name "\", \"uri\": [\"spiffe://example.org/" more "\"]}]"

static struct federation federation;
static struct member alice;
static EVP_PKEY *key; /* of peers */

/* --- the command --- */

static const struct command_row {
    const char *name;
    const char *source; /* of the expectation; HELD */
    const char *patch;  /* of the configuration, which is row.json; NULL: none */
    const char *san;    /* of the leaf on standard input; NULL: a member's */
    const char *arguments;
    int code;
    const char *says[PIECES]; /* on stdout or stderr */
    const char *never;
} commands[] = {
    { "mismatch: the DNS names come first", "RFC 6125 section 6.4.4: DNS-IDs are what is compared",
      .san = NODE ",DNS:b.example,DNS:c.example",
      .arguments = "explain row.json - --role server --target a.example", .code = 1,
      .says = { "name-mismatch", "dialled a.example, got DNS b.example, c.example" } },
    { "mismatch: the addresses come first", "RFC 2818 section 3.1: an address is an iPAddress",
      .san = NODE ",DNS:b.example,IP:192.0.2.1,IP:2001:db8::1",
      .arguments = "explain row.json - --role server --target 127.0.0.1", .code = 1,
      .says = { "dialled 127.0.0.1, got IP 192.0.2.1, 2001:db8::1" } },
    { "mismatch: of an IPv6 address, too", "RFC 2818 section 3.1",
      .san = NODE ",DNS:b.example,IP:192.0.2.1",
      .arguments = "explain row.json - --role server --target ::1", .code = 1,
      .says = { "dialled ::1, got IP 192.0.2.1" } },
    { "mismatch: no name of that kind", "RFC 6125 section 6.4.4", .san = NODE ",IP:192.0.2.1",
      .arguments = "explain row.json - --role server --target a.example", .code = 1,
      .says = { "got no DNS name: CN=" } },
    { "mismatch: many are counted", "RFC 6125 section 6.4.4",
      .san = NODE ",DNS:b.example,DNS:c.example,DNS:d.example,DNS:e.example,DNS:f.example",
      .arguments = "explain row.json - --role server --target a.example", .code = 1,
      .says = { "got DNS b.example, c.example, d.example (and 2 more)" } },

    { "admit is empty", "README: an empty array admits nobody", .patch = "{\"admit\": []}",
      .arguments = "explain row.json -", .code = 1, .says = { NOBODY, "warning" } },
    { "admit is empty beside a candidate", "README: admit_candidate never decides",
      .patch = "{\"admit\": [], \"admit_candidate\": " RULE("soon", "node/*") "}",
      .arguments = "explain row.json -", .code = 1, .says = { NOBODY } },
    { "admit is empty where a token is read, too", "README: an empty array admits nobody",
      .patch = "{\"admit\": []}", .arguments = "import row.json -", .code = 0,
      .says = { NOBODY, OWN_RULES } },
    { "admit is everybody", HELD, .patch = "{\"admit\": \"all-certified\"}",
      .arguments = "explain row.json -", .code = 0, .says = { "ALLOWED" }, .never = NOBODY },

    { "import: no rule of ours matches", "the verdict of `explain` on the same leaf",
      .patch = "{\"admit\": " RULE("others", "seed/*") "}", .arguments = "import row.json -",
      .code = 0, .says = { OWN_RULES, "no admit rule matches" } },
    { "import: a deny rule of ours matches", "the verdict of `explain` on the same leaf",
      .patch = "{\"deny\": " RULE("left", "node/alice") "}", .arguments = "import row.json -",
      .code = 0, .says = { OWN_RULES, "rule left matches" } },
    { "import: a name that no rule has", "the verdict of `explain` on the same leaf",
      .san = "URI:spiffe://example.org/other,IP:127.0.0.1", .arguments = "import row.json -",
      .code = 0, .says = { OWN_RULES } },
    { "import: a rule of ours matches", HELD, .arguments = "import row.json -", .code = 0,
      .says = { "alice.pem" }, .never = OWN_RULES },

    { "csr: a DNS name with an empty label", "RFC 1034 section 3.5",
      .arguments = "csr row.json --san DNS:a..b", .code = 1,
      .says = { "peers would refuse a certificate with these names", "a..b" } },
    { "enroll: a DNS name with an empty label, before a key is made", "RFC 1034 section 3.5",
      .arguments = "enroll row.json --san DNS:a..b", .code = 1,
      .says = { "peers would refuse a certificate with these names", "a..b" } },
    { "csr: a star that is not the whole label", "RFC 6125 section 6.4.3",
      .arguments = "csr row.json --san DNS:a*.example", .code = 1,
      .says = { "peers would refuse a certificate with these names" } },
    { "import: a DNS name with a port", "the verdict of `explain` on the same leaf",
      .san = "URI:spiffe://example.org/node/alice,DNS:localhost:7000",
      .arguments = "import row.json -", .code = 1,
      .says = { "peers would refuse our", "as malformed" } },
    { "import: a DNS name with a blank", "the verdict of `explain` on the same leaf",
      .san = "URI:spiffe://example.org/node/alice,DNS:foo bar", .arguments = "import row.json -",
      .code = 1, .says = { "peers would refuse our", "as malformed" } },

    { "explain --json: malformed, both roles", "README: one object per role judged",
      .san = NODE ",DNS:foo bar", .arguments = "explain row.json - --json", .code = 1,
      .says = { "\"reason\": \"malformed\"", "\"role\": \"client\"", "\"role\": \"server\"" } },
    { "explain --json: malformed, one role", "README: one object per role judged",
      .san = NODE ",DNS:localhost:7000", .arguments = "explain row.json - --json --role client",
      .code = 1, .says = { "\"decision\": \"deny\"", "\"meaning\": ", "\"rules\": []" },
      .never = "\"role\": \"server\"" },
    { "explain --json: malformed, and dialled", "README: one object per role judged",
      .san = NODE ",DNS:foo bar",
      .arguments = "explain row.json - --json --role server --target a.example", .code = 1,
      .says = { "\"target\": \"a.example\"", "\"reason\": \"malformed\"" } },
    { "explain: malformed, for readers", HELD, .san = NODE ",DNS:foo bar",
      .arguments = "explain row.json -", .code = 1, .says = { "whoever shows this is refused" } },

    { "roots: not there", HELD, .patch = "{\"federation\": {\"roots\": [\"absent.pem\"]}}",
      .arguments = "explain row.json -", .code = 1,
      .says = { "federation.roots: ", "absent.pem" } },
    { "roots: no PEM", "the member of the configuration that names the file",
      .patch = "{\"federation\": {\"roots\": [\"alice.pin\"]}}", .arguments = "explain row.json -",
      .code = 1, .says = { "federation.roots: ", "holds no certificate" } },
    { "roots: a node's certificate", "the member of the configuration that names the file",
      .patch = "{\"federation\": {\"roots\": [\"leaf.pem\"]}}", .arguments = "explain row.json -",
      .code = 1, .says = { "federation.roots: ", "leaf.pem: certificate" } },
    { "roots: an intermediate", "the member of the configuration that names the file",
      .patch = "{\"federation\": {\"roots\": [\"between.pem\"]}}",
      .arguments = "explain row.json -", .code = 1,
      .says = { "federation.roots: ", "is an intermediate" } },

    { "$schema names the schema", "JSON Schema 2020-12 and what editors write",
      .patch = "{\"$schema\": \"./nodekey.schema.json\"}", .arguments = "explain row.json -",
      .code = 0, .says = { "ALLOWED" } },
    { "$schema names it by URL", "JSON Schema 2020-12 and what editors write",
      .patch = "{\"$schema\": \"https://example.org/nodekey.schema.json\"}",
      .arguments = "explain row.json -", .code = 0, .says = { "ALLOWED" } },
    { "$schema is a text", "JSON Schema 2020-12, section 8.1.1: a URI", .patch = "{\"$schema\": 1}",
      .arguments = "explain row.json -", .code = 1, .says = { "must be a string" } },
    { "$schema of a rule", HELD,
      .patch = "{\"admit\": [{\"$schema\": \"x\", \"name\": \"m\", \"cn\": [\"x\"]}]}",
      .arguments = "explain row.json -", .code = 1, .says = { "unknown member" } },
};

static size_t count_pieces(const char *text, const char *piece)
{
    size_t count = 0;
    for (; (text = strstr(text, piece)) != NULL; text += strlen(piece)) {
        count++;
    }
    return count;
}

/* A path in a line of an error is there once. */
static void refuse_a_path_twice(const char *text)
{
    char line[4096];
    for (; *text != '\0'; text += strcspn(text, "\n") + (strchr(text, '\n') != NULL)) {
        snprintf(line, sizeof(line), "%.*s", (int)strcspn(text, "\n"), text);
        const char *path = strstr(line, federation.folder);
        if (path != NULL &&
            count_pieces(line, path_of("%.*s", (int)strcspn(path, ": \""), path)) > 1) {
            fail_msg("a file is named twice: %s", line);
        }
    }
}

static char *leaf_for(const struct command_row *row)
{
    struct certificate_spec spec = member_spec(&federation, "alice");
    bool ours = strncmp(row->arguments, "import", 6) == 0;
    spec.san = row->san != NULL ? row->san : spec.san;
    X509 *leaf =
        authority_issue(&federation.intermediate, ours ? X509_get0_pubkey(alice.leaf) : key, &spec);
    char *pem = pem_of(leaf, federation.intermediate.certificate, NULL);
    X509_free(leaf);
    return pem;
}

static void check_command(void **state)
{
    const struct command_row *row = *state;
    char *config = member_config(&alice, row->patch != NULL ? row->patch : "{}");
    char *pem = leaf_for(row);
    write_file(path_of("%s/row.json", federation.folder), config, 0644);
    struct nodekey_end end = nodekey_run(federation.folder, row->arguments, pem);
    const char *all = path_of("%s%s", end.out, end.err);
    bool good = end.code == row->code && (row->never == NULL || strstr(all, row->never) == NULL);
    for (size_t i = 0; i < PIECES && row->says[i] != NULL; i++) {
        good = good && strstr(all, row->says[i]) != NULL;
    }
    if (!good) {
        fail_msg("%s: code %d\n%s", row->source != HELD ? row->source : "held", end.code, all);
    }
    refuse_a_path_twice(end.err);
    nodekey_end_clear(&end);
    free(config);
    free(pem);
}

/* --- a node that runs --- */

static struct node served, caller;

static void nodes_open(const char *patch)
{
    node_open(&served, &alice, patch);
    node_open(&caller, &alice, patch);
}

/* 64 hex digits, the same for the same policy. */
static void the_start_line_has_the_digest(void **state)
{
    (void)state;
    nodes_open("{}");
    char *text = recorder_copy(served.log);
    const char *digest = strstr(text, "policy generation 1 is in force, digest ");
    if (digest == NULL) {
        fail_msg("no digest in: %s", text);
    }
    digest = strrchr(path_of("%.*s", (int)strcspn(digest, "\n"), digest), ' ') + 1;
    assert_int_equal(strlen(digest), 64);
    assert_true(recorder_has(caller.log, digest));
    free(text);
    node_close(&served);
    node_close(&caller);
}

static void expect_closed(const struct rpc_result *result)
{
    if (strstr(result->details, "instance closed") == NULL || result->ok) {
        fail_msg("status %d: %s", (int)result->status, result->details);
    }
}

static void close_instance(struct node *node)
{
    assert_int_equal(plugin_load()->close(node->instance, NULL), NK_OK);
    node->instance = NULL;
}

/* On a connection that is there already: by the server's check, then by the caller's own. */
static void a_call_after_close_says_so(void **state)
{
    bool by_server = *state != NULL;
    nodes_open("{}");
    struct rpc_server *server = rpc_server_start(served.server, 2, NULL, NULL);
    grpc_channel *channel = rpc_channel(caller.channel, rpc_server_address(server));
    assert_true(rpc_call(channel, RPC_DEADLINE_MS).ok);
    close_instance(by_server ? &served : &caller);
    struct rpc_result result = rpc_call(channel, RPC_DEADLINE_MS);
    grpc_channel_destroy(channel);
    rpc_server_stop(server);
    node_close(&served);
    node_close(&caller);
    expect_closed(&result);
}

static void guard_inbound(void *user, grpc_call *call)
{
    const struct node *node = user;
    if (plugin_load()->guard_call(node->instance, NK_PEER_IS_CLIENT, call, NULL) != NK_OK) {
        print_error("not guarded\n");
    }
}

static void unguard_inbound(void *user, grpc_call *call)
{
    const struct node *node = user;
    if (node->instance != NULL) {
        (void)!plugin_load()->unguard_call(node->instance, call, NULL);
    }
}

static void a_guarded_call_ends_with_it(void **state)
{
    struct rpc_result result = { .ok = false };
    (void)state;
    nodes_open("{}");
    struct rpc_server *server = rpc_server_start(served.server, 2, guard_inbound, &served);
    rpc_server_on_end(server, unguard_inbound);
    grpc_channel *channel = rpc_channel(caller.channel, rpc_server_address(server));
    struct rpc_stream *stream = rpc_stream_open(channel, &result);
    assert_non_null(stream);
    close_instance(&served);
    bool ended = rpc_stream_wait(stream, RPC_DEADLINE_MS, &result);
    rpc_stream_close(stream);
    grpc_channel_destroy(channel);
    rpc_server_stop(server);
    node_close(&served);
    node_close(&caller);
    assert_true(ended);
    expect_closed(&result);
}

/* grpc_call_get_peer: "ipv4:127.0.0.1:port". The refusal comes with a list that revokes. */
static void a_guarded_call_has_an_address(void **state)
{
    struct rpc_result result = { .ok = false };
    X509 *revoked[] = { alice.leaf, NULL };
    (void)state;
    federation_write_crls(&federation, 1, NULL);
    node_open(&served, &alice, "{" FEDERATION_CRLS "}");
    node_open(&caller, &alice, "{}");
    struct rpc_server *server = rpc_server_start(served.server, 2, guard_inbound, &served);
    rpc_server_on_end(server, unguard_inbound);
    grpc_channel *channel = rpc_channel(caller.channel, rpc_server_address(server));
    struct rpc_stream *stream = rpc_stream_open(channel, &result);
    assert_non_null(stream);
    federation_write_crls(&federation, 2, revoked);
    bool told = recorder_waits_for(served.log, " at ipv4:127.0.0.1:", LOG_WAIT_MS);
    bool ended = rpc_stream_wait(stream, RPC_DEADLINE_MS, &result);
    rpc_stream_close(stream);
    grpc_channel_destroy(channel);
    rpc_server_stop(server);
    node_close(&served);
    node_close(&caller);
    assert_true(told);
    assert_true(ended);
    assert_non_null(strstr(result.details, "not admitted any more"));
}

/* --- the world --- */

static int start(void **state)
{
    (void)state;
    softhsm_start();
    grpc_init();
    federation_make(&federation, "example.org");
    federation_enrol(&federation, &alice, "alice", "P-256");
    key = X509_get_pubkey(federation.root.certificate);
    char *leaf = pem_of(alice.leaf, NULL);
    char *between = pem_of(federation.intermediate.certificate, NULL);
    write_file(path_of("%s/leaf.pem", federation.folder), leaf, 0644);
    write_file(path_of("%s/between.pem", federation.folder), between, 0644);
    free(leaf);
    free(between);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    EVP_PKEY_free(key);
    member_free(&alice);
    federation_free(&federation);
    rpc_shutdown();
    return 0;
}

int main(void)
{
    ROWS_TEST(the_start_line_has_the_digest);
    rows_add("a call after the server's close says so", a_call_after_close_says_so, &served);
    rows_add("a call after our own close says so", a_call_after_close_says_so, NULL);
    ROWS_TEST(a_guarded_call_ends_with_it);
    ROWS_TEST(a_guarded_call_has_an_address);
    ROWS_OF(commands, check_command);
    return ROWS_RUN("real_names_words", start, stop);
}
